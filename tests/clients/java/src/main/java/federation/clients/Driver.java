package federation.clients;

import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.config.listener.AbstractListener;
import com.alibaba.nacos.api.exception.NacosException;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;
import com.alibaba.nacos.client.config.NacosConfigService;
import com.alibaba.nacos.client.naming.NacosNamingService;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;

/**
 * Drives Nacos's Java SDK: a command per line on standard input, an answer or an event per line on standard output, all JSON (see README.md
 * beside). Arguments: server address, and user and password if it asks for them.
 */
public final class Driver {

    private static final long GET_TIMEOUT_MS = 3000;

    private final ObjectMapper json = new ObjectMapper();
    private final Map<String, NamingService> namings = new HashMap<>();
    private final Map<String, ConfigService> configs = new HashMap<>();
    private final String[] arguments;
    private final PrintStream out;

    private Driver(String[] arguments, PrintStream out) {
        this.arguments = arguments;
        this.out = out;
    }

    public static void main(String[] arguments) throws IOException {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err); // Standard output is for answers alone, whatever the SDK prints.
        Driver driver = new Driver(arguments, out);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode command = driver.json.readTree(line);
            ObjectNode answer = driver.stamped().put("id", command.get("id").asLong());
            try {
                answer.set("value", driver.run(command));
            } catch (NacosException | RuntimeException | JsonProcessingException refused) {
                answer.put("error", refused.toString());
            }
            driver.print(answer.put("at", now()));
        }
        System.exit(0); // The SDK's threads are no daemons; like a killed process, without a deregistration.
    }

    private JsonNode run(JsonNode command) throws NacosException, JsonProcessingException {
        String group = command.path("group").asText();
        String service = command.path("service").asText();
        String dataId = command.path("data_id").asText();
        switch (command.get("op").asText()) {
            case "register" -> naming(command).registerInstance(service, group, instance(command.get("instance")));
            case "deregister" -> naming(command).deregisterInstance(service, group, instance(command.get("instance")));
            case "batch" -> {
                List<Instance> instances = new ArrayList<>();
                for (JsonNode one : command.get("instances")) {
                    instances.add(instance(one));
                }
                naming(command).batchRegisterInstance(service, group, instances);
            }
            case "subscribe" -> naming(command).subscribe(service, group, event -> {
                ObjectNode line = stamped().put("event", "instances").put("namespace", command.get("namespace").asText());
                line.put("group", group).put("service", service);
                print(line.set("instances", list(((NamingEvent) event).getInstances())));
            });
            case "list" -> {
                return list(naming(command).getAllInstances(service, group, false));
            }
            case "publish_config" -> check(config(command).publishConfig(dataId, group, command.get("content").asText()));
            case "remove_config" -> check(config(command).removeConfig(dataId, group));
            case "get_config" -> {
                return json.valueToTree(config(command).getConfig(dataId, group, GET_TIMEOUT_MS));
            }
            case "listen_config" -> config(command).addListener(dataId, group, new AbstractListener() {
                @Override
                public void receiveConfigInfo(String content) {
                    ObjectNode line = stamped().put("event", "config").put("namespace", command.get("namespace").asText());
                    print(line.put("group", group).put("data_id", dataId).put("content", content));
                }
            });
            default -> throw new IllegalArgumentException("unknown command " + command);
        }
        return json.nullNode();
    }

    private NamingService naming(JsonNode command) throws NacosException {
        String key = command.get("connection").asText() + "\u001f" + command.get("namespace").asText();
        if (!namings.containsKey(key)) {
            namings.put(key, new NacosNamingService(properties(command)));
        }
        return namings.get(key);
    }

    private ConfigService config(JsonNode command) throws NacosException {
        String key = command.get("connection").asText() + "\u001f" + command.get("namespace").asText();
        if (!configs.containsKey(key)) {
            configs.put(key, new NacosConfigService(properties(command)));
        }
        return configs.get(key);
    }

    private Properties properties(JsonNode command) {
        Properties properties = new Properties();
        properties.setProperty("serverAddr", arguments[0]);
        properties.setProperty("namespace", command.get("namespace").asText());
        if (arguments.length > 1) {
            properties.setProperty("username", arguments[1]);
            properties.setProperty("password", arguments[2]);
        }
        return properties;
    }

    private Instance instance(JsonNode fields) {
        Instance instance = new Instance();
        instance.setIp(fields.get("ip").asText());
        instance.setPort(fields.get("port").asInt());
        instance.setWeight(fields.get("weight").asDouble());
        instance.setHealthy(fields.get("healthy").asBoolean());
        instance.setEnabled(fields.get("enabled").asBoolean());
        instance.setEphemeral(fields.get("ephemeral").asBoolean());
        instance.setClusterName(fields.get("cluster").asText());
        instance.setMetadata(json.convertValue(fields.get("metadata"), new TypeReference<Map<String, String>>() { }));
        return instance;
    }

    private ArrayNode list(List<Instance> instances) {
        ArrayNode list = json.createArrayNode();
        for (Instance instance : instances) {
            ObjectNode fields = list.addObject();
            fields.put("ip", instance.getIp()).put("port", instance.getPort()).put("weight", instance.getWeight());
            fields.put("healthy", instance.isHealthy()).put("enabled", instance.isEnabled());
            fields.put("ephemeral", instance.isEphemeral()).put("cluster", instance.getClusterName());
            fields.set("metadata", json.valueToTree(instance.getMetadata()));
        }
        return list;
    }

    private static void check(boolean done) {
        if (!done) {
            throw new IllegalStateException("the SDK answers false");
        }
    }

    private ObjectNode stamped() {
        return json.createObjectNode().put("at", now());
    }

    private static double now() {
        return ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now()) / 1000.0;
    }

    private void print(JsonNode line) {
        synchronized (out) {
            out.println(line);
        }
    }
}
