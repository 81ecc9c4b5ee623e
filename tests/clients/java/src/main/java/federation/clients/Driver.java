package federation.clients;

import com.alibaba.nacos.api.config.ConfigService;
import com.alibaba.nacos.api.config.listener.AbstractListener;
import com.alibaba.nacos.api.exception.NacosException;
import com.alibaba.nacos.api.naming.NamingService;
import com.alibaba.nacos.api.naming.listener.EventListener;
import com.alibaba.nacos.api.naming.listener.NamingEvent;
import com.alibaba.nacos.api.naming.pojo.Instance;
import com.alibaba.nacos.api.naming.pojo.ListView;
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
import java.lang.reflect.InvocationTargetException;
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
 *
 * <p>The same source is compiled against nacos-client 3.x, 2.x and 1.4.x; what only some of them have is looked for when it is asked for.
 */
public final class Driver {

    private static final long GET_TIMEOUT_MS = 3000;
    private static final int PAGE_SIZE = 100;
    private static final String SEPARATOR = "\u001f";

    private final ObjectMapper json = new ObjectMapper();
    private final Map<String, NamingService> namings = new HashMap<>();
    private final Map<String, ConfigService> configs = new HashMap<>();
    private final Map<String, EventListener> listeners = new HashMap<>();
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
        return command.has("data_id") ? runConfig(command) : runNaming(command);
    }

    private JsonNode runNaming(JsonNode command) throws NacosException {
        String group = command.path("group").asText();
        String service = command.path("service").asText();
        NamingService naming = naming(command);
        switch (command.get("op").asText()) {
            case "register" -> naming.registerInstance(service, group, instance(command.get("instance")));
            case "deregister" -> naming.deregisterInstance(service, group, instance(command.get("instance")));
            case "batch" -> batch(naming, command);
            case "subscribe" -> {
                EventListener listener = event -> {
                    ObjectNode line = stamped().put("event", "instances").put("namespace", command.get("namespace").asText());
                    line.put("group", group).put("service", service);
                    print(line.set("instances", list(((NamingEvent) event).getInstances())));
                };
                listeners.put(subscription(command), listener);
                naming.subscribe(service, group, listener);
            }
            case "unsubscribe" -> naming.unsubscribe(service, group, listeners.remove(subscription(command)));
            case "list" -> {
                return list(naming.getAllInstances(service, group, false));
            }
            case "select_one" -> {
                return fields(naming.selectOneHealthyInstance(service, group, false));
            }
            case "service_list" -> {
                ListView<String> services = naming.getServicesOfServer(1, PAGE_SIZE, group);
                ObjectNode answer = json.createObjectNode().put("count", services.getCount());
                return answer.set("names", json.valueToTree(services.getData()));
            }
            default -> throw new IllegalArgumentException("unknown command " + command);
        }
        return json.nullNode();
    }

    private JsonNode runConfig(JsonNode command) throws NacosException {
        String group = command.path("group").asText();
        String dataId = command.path("data_id").asText();
        String content = command.path("content").asText();
        ConfigService config = config(command);
        switch (command.get("op").asText()) {
            case "publish_config" -> check(config.publishConfig(dataId, group, content));
            case "publish_config_cas" -> {
                Class<?>[] types = {String.class, String.class, String.class, String.class};
                check((boolean) call(config, "publishConfigCas", types, dataId, group, content, command.get("md5").asText()));
            }
            case "remove_config" -> check(config.removeConfig(dataId, group));
            case "get_config" -> {
                return json.valueToTree(config.getConfig(dataId, group, GET_TIMEOUT_MS));
            }
            case "listen_config" -> config.addListener(dataId, group, new AbstractListener() {
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

    private void batch(NamingService naming, JsonNode command) throws NacosException {
        List<Instance> instances = new ArrayList<>();
        for (JsonNode one : command.get("instances")) {
            instances.add(instance(one));
        }
        Class<?>[] types = {String.class, String.class, List.class};
        call(naming, "batchRegisterInstance", types, command.get("service").asText(), command.get("group").asText(), instances);
    }

    /** Calls what nacos-client 1.4.x does not have. */
    private static Object call(Object sdk, String name, Class<?>[] types, Object... arguments) throws NacosException {
        try {
            return sdk.getClass().getMethod(name, types).invoke(sdk, arguments);
        } catch (NoSuchMethodException | IllegalAccessException absent) {
            throw new UnsupportedOperationException("not in this SDK: " + name);
        } catch (InvocationTargetException failed) {
            if (failed.getCause() instanceof NacosException refused) {
                throw refused;
            }
            throw new IllegalStateException(failed.getCause());
        }
    }

    private static String subscription(JsonNode command) {
        String connection = command.get("connection").asText() + SEPARATOR + command.get("namespace").asText();
        return connection + SEPARATOR + command.get("group").asText() + SEPARATOR + command.get("service").asText();
    }

    private NamingService naming(JsonNode command) throws NacosException {
        String key = command.get("connection").asText() + SEPARATOR + command.get("namespace").asText();
        if (!namings.containsKey(key)) {
            namings.put(key, new NacosNamingService(properties(command)));
        }
        return namings.get(key);
    }

    private ConfigService config(JsonNode command) throws NacosException {
        String key = command.get("connection").asText() + SEPARATOR + command.get("namespace").asText();
        if (!configs.containsKey(key)) {
            configs.put(key, new NacosConfigService(properties(command)));
        }
        return configs.get(key);
    }

    private Properties properties(JsonNode command) {
        Properties properties = new Properties();
        properties.setProperty("serverAddr", arguments[0]);
        String namespace = command.get("namespace").asText();
        if (!namespace.equals("public")) { // That one is the default; to name it over HTTP makes Nacos 2.x forget who listens.
            properties.setProperty("namespace", namespace);
        }
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
            list.add(fields(instance));
        }
        return list;
    }

    private JsonNode fields(Instance instance) {
        if (instance == null) {
            return json.nullNode();
        }
        ObjectNode fields = json.createObjectNode();
        fields.put("ip", instance.getIp()).put("port", instance.getPort()).put("weight", instance.getWeight());
        fields.put("healthy", instance.isHealthy()).put("enabled", instance.isEnabled());
        fields.put("ephemeral", instance.isEphemeral()).put("cluster", instance.getClusterName());
        return fields.set("metadata", json.valueToTree(instance.getMetadata()));
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
