import java.util.Map;

/** Answers at once: what is measured is everything around it. */
public class index {
    public Map<String, Boolean> handler(Map<String, Object> event) {
        return Map.of("ok", true);
    }
}
