import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.apache.commons.lang3.StringUtils;

/** The ordinary function: an event, a library and a file of a layer, a variable, a line of log, an answer. */
public class Orders {
    private final int rate;

    public Orders() throws IOException {
        rate = Integer.parseInt(Files.readString(Path.of("/opt/rate")).trim());
    }

    public Map<String, Object> handle(Map<String, Object> event) {
        int n = (Integer) event.get("n");
        String item = StringUtils.capitalize((String) event.get("item"));
        System.out.println("ordered " + item + " " + n);
        return Map.of("n", n, "item", item, "total", n * rate, "shop", System.getenv("SHOP"));
    }
}
