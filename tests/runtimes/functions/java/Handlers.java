import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.TreeMap;

/** What a person would write, one method per question that a test asks. One object serves all threads. */
public class Handlers implements RequestHandler<Map<String, Object>, Object> {
    private int invocations;

    @Override
    public synchronized Object handleRequest(Map<String, Object> event, Context context) {
        invocations++;
        return Map.of("event", event, "id", context.getAwsRequestId(), "invocations", invocations,
            "remaining", context.getRemainingTimeInMillis());
    }

    /** Every invocation waits until all of them have arrived: they can only end when they run at the same time. */
    public String meet(Map<String, Object> event, Context context) throws IOException, InterruptedException {
        File meeting = new File((String) event.get("meeting"));
        new File(meeting, context.getAwsRequestId()).createNewFile();
        while (meeting.list().length < (Integer) event.get("count")) {
            Thread.sleep(5);
        }
        return Thread.currentThread().getName();
    }

    public Integer divide(Integer event) {
        return 1 / event;
    }

    public String exit(Integer status) {
        System.exit(status);
        return "unreachable";
    }

    public String hang(String event) throws InterruptedException {
        if (event.equals("hang")) {
            Thread.sleep(3_600_000);
        }
        return Thread.currentThread().getName();
    }

    public Map<String, Object> facts(Object event) {
        System.out.println("Grüße");
        Map<String, Object> facts = new TreeMap<>();
        facts.put("env", System.getenv());
        facts.put("cwd", System.getProperty("user.dir"));
        facts.put("version", System.getProperty("java.specification.version"));
        facts.put("heap_mb", ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getMax() >> 20);
        facts.put("arguments", ManagementFactory.getRuntimeMXBean().getInputArguments());
        facts.put("collectors", names());
        return facts;
    }

    private static List<String> names() {
        return ManagementFactory.getGarbageCollectorMXBeans().stream().map(bean -> bean.getName())
            .collect(Collectors.toList());
    }
}
