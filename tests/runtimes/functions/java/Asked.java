import com.amazonaws.services.lambda.runtime.Context;
import java.util.Map;

/** Does what the event says; the tests ask the same of every runtime. */
public class Asked {
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) throws Exception {
        switch ((String) event.get("do")) {
            case "wait":
                Thread.sleep(1000L * (Integer) event.get("seconds"));
                break;
            case "fail":
                throw new IllegalStateException("asked to fail");
            case "exit":
                System.exit((Integer) event.get("status"));
            case "crash":
                new ProcessBuilder("sh", "-c", "kill -KILL " + ProcessHandle.current().pid()).start().waitFor();
            default:
        }
        return Map.of("n", event.get("n"), "request_id", context.getAwsRequestId(), "process_id", ProcessHandle.current().pid());
    }
}
