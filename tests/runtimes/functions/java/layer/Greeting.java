/** What a layer brings, as a jar in java/lib. */
public class Greeting {
    public static String text() {
        return "hello from a layer";
    }
}
