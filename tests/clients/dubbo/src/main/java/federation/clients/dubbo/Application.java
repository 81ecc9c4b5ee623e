package federation.clients.dubbo;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;

/**
 * A provider or a consumer of {@link Greeter}: {@code provider|consumer NAME REGISTRY PORT}. The registry is a URL, which is Dubbo's metadata and
 * config center, too, as by default. What it is asked over HTTP on the port: {@code /who}, and of a consumer {@code /ask}, which calls.
 */
public final class Application {
    private Application() {}

    public static void main(String[] arguments) throws Exception {
        String role = arguments[0];
        String name = arguments[1];
        ApplicationConfig application = new ApplicationConfig(name);
        application.setQosEnable(false); // Its port is the same for all on a machine.
        DubboBootstrap bootstrap = DubboBootstrap.getInstance();
        bootstrap.application(application).registry(new RegistryConfig(arguments[2]));
        HttpServer http = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[3])), 0);
        http.setExecutor(Executors.newCachedThreadPool());
        switch (role) {
            case "provider" -> provide(bootstrap, name);
            case "consumer" -> consume(bootstrap, http);
            default -> throw new IllegalArgumentException("neither provider nor consumer: " + role);
        }
        http.createContext("/who", exchange -> answer(exchange, 200, name));
        http.start();
        System.out.println("listening");
        bootstrap.await();
    }

    private static void provide(DubboBootstrap bootstrap, String name) {
        ServiceConfig<Greeter> service = new ServiceConfig<>();
        service.setInterface(Greeter.class);
        service.setRef(whom -> name + " greets " + whom);
        bootstrap.protocol(new ProtocolConfig("tri", -1)).service(service).start();
    }

    private static void consume(DubboBootstrap bootstrap, HttpServer http) {
        ReferenceConfig<Greeter> reference = new ReferenceConfig<>();
        reference.setInterface(Greeter.class);
        reference.setCheck(false); // It may be there before its provider.
        bootstrap.reference(reference).start();
        Greeter greeter = reference.get();
        http.createContext("/ask", exchange -> {
            try {
                answer(exchange, 200, greeter.greet("the consumer"));
            } catch (RuntimeException refused) {
                answer(exchange, 502, String.valueOf(refused.getMessage()));
            }
        });
    }

    private static void answer(HttpExchange exchange, int status, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }
}
