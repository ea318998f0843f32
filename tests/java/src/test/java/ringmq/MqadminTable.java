package ringmq;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Permission;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.command.MQAdminStartup;

/**
 * The stock mqadmin, one command after the other in one JVM: `MqadminTable namesrv broker cluster commands-file output-folder`. A line of
 * the commands file is `label: command arguments`, or `!step arguments` for what must be in place before. What a command prints
 * goes into the file `label` of the output folder. See scripts/mqadmin-table, which compares it.
 */
public final class MqadminTable {
    private static final int COMMAND_SECONDS = 40;
    private static final PrintStream OUT = System.out;
    private static final Map<String, String> NAMES = new HashMap<>();
    private static final Map<String, DefaultMQPushConsumer> CONSUMERS = new HashMap<>();
    private static DefaultMQProducer producer;

    private MqadminTable() { }

    /** Some commands end the JVM when they do not like their arguments. */
    private static final class Exit extends SecurityException {
        Exit(int status) { super("exit status " + status); }
    }

    @SuppressWarnings("removal")
    private static final class NoExit extends SecurityManager {
        @Override public void checkExit(int status) { if (!done) throw new Exit(status); }
        @Override public void checkPermission(Permission permission) { }
        @Override public void checkPermission(Permission permission, Object context) { }
    }

    private static volatile boolean done;

    @SuppressWarnings("removal")
    public static void main(String[] args) throws Exception {
        NAMES.put("namesrv", args[0]);
        NAMES.put("broker", args[1]);
        NAMES.put("cluster", args[2]);
        Path output = Path.of(args[4]);
        NAMES.put("folder", output.toAbsolutePath().toString());
        Files.createDirectories(output);
        System.setProperty("rocketmq.namesrv.addr", args[0]);
        System.setSecurityManager(new NoExit());
        int status = 1;
        try {
            all(Files.readAllLines(Path.of(args[3])), output);
            status = 0;
        } catch (Throwable thrown) {
            thrown.printStackTrace();
        }
        done = true;
        System.exit(status);
    }

    private static void all(List<String> lines, Path output) throws Exception {
        for (String line : lines) {
            if (line.isBlank() || line.startsWith("#")) continue;
            long begin = System.currentTimeMillis();
            if (line.startsWith("!")) {
                step(words(line.substring(1)));
            } else {
                String[] parts = line.split(":", 2);
                Files.writeString(output.resolve(parts[0].strip()), run(words(parts[1])));
            }
            OUT.println((System.currentTimeMillis() - begin) + " ms  " + line);
        }
    }

    /** Words, with names filled in; '...' keeps spaces together. */
    private static List<String> words(String line) {
        List<String> words = new ArrayList<>();
        String[] quoted = line.strip().split("'", -1);
        for (int i = 0; i < quoted.length; i++) {
            if (i % 2 == 1) words.add(filled(quoted[i]));
            else for (String word : quoted[i].strip().split("\\s+")) if (!word.isEmpty()) words.add(filled(word));
        }
        return words;
    }

    private static String filled(String word) {
        for (Map.Entry<String, String> name : NAMES.entrySet()) word = word.replace("{" + name.getKey() + "}", name.getValue());
        return word;
    }

    private static String run(List<String> words) throws InterruptedException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        PrintStream printed = new PrintStream(bytes, true, StandardCharsets.UTF_8);
        PrintStream errors = System.err;
        System.setOut(printed);
        System.setErr(printed);
        Thread thread = new Thread(() -> {
            try {
                MQAdminStartup.main0(words.toArray(new String[0]), null);
            } catch (Exit exit) {
                printed.println("[" + exit.getMessage() + "]");
            } catch (Throwable thrown) {
                thrown.printStackTrace(printed);
            }
        });
        thread.setDaemon(true);
        thread.start();
        thread.join(COMMAND_SECONDS * 1000L);
        if (thread.isAlive()) {
            printed.println("[not done after " + COMMAND_SECONDS + " s]");
            thread.interrupt();
        }
        System.setOut(OUT);
        System.setErr(errors);
        return bytes.toString(StandardCharsets.UTF_8);
    }

    private static void step(List<String> words) throws Exception {
        switch (words.get(0)) {
            case "send": send(words.get(1), Integer.parseInt(words.get(2))); break;
            case "consume": consume(words.get(1), words.get(2), Integer.parseInt(words.get(3))); break;
            case "stop": CONSUMERS.remove(words.get(1)).shutdown(); break;
            case "run": run(words.subList(1, words.size())); break;
            case "sleep": Thread.sleep(Long.parseLong(words.get(1))); break;
            case "write": Files.writeString(Path.of(NAMES.get("folder")).resolve(words.get(1)), words.get(2)); break;
            default: throw new IllegalArgumentException("no step " + words);
        }
    }

    /** Message n goes to queue n % 4 and has the keys `key-n` and `every`; the last one's ids are {messageId}, {offsetId}, {offset}. */
    private static void send(String topic, int count) throws Exception {
        if (producer == null) {
            producer = new DefaultMQProducer("MqadminProducers");
            producer.setInstanceName("producer");
            producer.setSendMsgTimeout(20_000);
            producer.setRetryTimesWhenSendFailed(0);
            producer.start();
        }
        for (int n = 0; n < count; n++) {
            Message message = new Message(topic, "TagA", "key-" + n + " every", ("message " + n).getBytes(StandardCharsets.UTF_8));
            SendResult sent = producer.send(message, (queues, m, at) -> queue(queues, (int) at), n % 4);
            NAMES.put("messageId", sent.getMsgId());
            NAMES.put("offsetId", sent.getOffsetMsgId());
            NAMES.put("offset", Long.toString(sent.getQueueOffset()));
            NAMES.put("queue", Integer.toString(sent.getMessageQueue().getQueueId()));
            NAMES.put("brokerName", sent.getMessageQueue().getBrokerName());
        }
    }

    private static MessageQueue queue(List<MessageQueue> queues, int id) {
        return queues.stream().filter(queue -> queue.getQueueId() == id).findFirst().orElse(queues.get(0));
    }

    /** A member of the group that stays, once it has got `count` messages. */
    private static void consume(String group, String topic, int count) throws Exception {
        AtomicInteger got = new AtomicInteger();
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.setInstanceName("consumer-" + group);
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setPersistConsumerOffsetInterval(500);
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            got.addAndGet(messages.size());
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        consumer.start();
        CONSUMERS.put(group, consumer);
        NAMES.put("clientId", consumer.buildMQClientId());
        long end = System.currentTimeMillis() + 30_000;
        while (got.get() < count && System.currentTimeMillis() < end) Thread.sleep(50);
        if (got.get() < count) throw new IllegalStateException(group + " got " + got + " of " + count + " messages");
        // its offsets are on their way
        Thread.sleep(1_500);
    }
}
