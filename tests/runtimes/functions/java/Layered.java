/** Uses a class that only a layer has. */
public class Layered {
    public String handle(Object event) {
        return Greeting.text();
    }
}
