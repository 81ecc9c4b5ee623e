package federation.clients.spring;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.client.discovery.DiscoveryClient;
import org.springframework.cloud.client.loadbalancer.LoadBalanced;
import org.springframework.cloud.context.config.annotation.RefreshScope;
import org.springframework.context.annotation.Bean;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestTemplate;

/** Provider and consumer alike; which it is says its name and who is asked. */
@SpringBootApplication
public class Application {
    public static void main(String[] arguments) {
        SpringApplication.run(Application.class, arguments);
    }

    @Bean
    @LoadBalanced
    RestTemplate calls() {
        return new RestTemplate();
    }

    /** What a config item says now. */
    @RestController
    @RefreshScope
    static class Greeting {
        @Value("${greeting:nothing}")
        private String greeting;

        @GetMapping("/greeting")
        String greeting() {
            return greeting;
        }
    }

    @RestController
    static class Calls {
        private final RestTemplate calls;
        private final DiscoveryClient discovery;
        @Value("${spring.application.name}")
        private String name;

        Calls(RestTemplate calls, DiscoveryClient discovery) {
            this.calls = calls;
            this.discovery = discovery;
        }

        /** Who answers. */
        @GetMapping("/who")
        String who() {
            return name;
        }

        /** What another service answers to "who", called by its name. */
        @GetMapping("/ask")
        String ask(@RequestParam("service") String service) {
            return calls.getForObject("http://" + service + "/who", String.class);
        }

        /** Who is known of a service: one address a line. */
        @GetMapping("/instances")
        String instances(@RequestParam("service") String service) {
            StringBuilder lines = new StringBuilder();
            discovery.getInstances(service).forEach(it -> lines.append(it.getHost()).append(':').append(it.getPort()).append('\n'));
            return lines.toString();
        }
    }
}
