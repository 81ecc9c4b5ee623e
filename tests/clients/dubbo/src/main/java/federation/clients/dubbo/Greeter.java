package federation.clients.dubbo;

/** What the provider offers. */
public interface Greeter {
    /** Who answers, and what it was told. */
    String greet(String whom);
}
