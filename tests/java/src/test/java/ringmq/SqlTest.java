package ringmq;

import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

/** SQL92 subscriptions: the broker sends what matches and nothing else. Switches enablePropertyFilter on where it is off. */
class SqlTest extends ClientTest {
    @BeforeAll
    static void switchOn() throws Exception {
        Properties on = new Properties();
        on.setProperty("enablePropertyFilter", "true");
        for (String broker : Node.brokers()) Node.admin().updateBrokerConfig(broker, on);
    }

    @Test
    void push() throws Exception {
        String topic = Node.topic(2);
        sendNumbered(topic, 0, 60);
        Inbox inbox = new Inbox();
        DefaultMQPushConsumer consumer = push(Node.unique("group"), topic, "*");
        consumer.subscribe(topic, MessageSelector.bySql("n BETWEEN 10 AND 19 AND kind = 'even' OR TAGS IN ('t55', 't56')"));
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();
        List<String> expected = new ArrayList<>(List.of("010", "012", "014", "016", "018", "055", "056"));
        inbox.holdsExactly(15, expected);

        // Its pulls are held now: what does not match lets them wait on, what matches is answered at once.
        sendNumbered(topic, 60, 100);
        long begin = System.currentTimeMillis();
        sendNumbered(topic, 12, 13);
        Node.eventually(10, "messages received", 8, () -> inbox.messages().size());
        assertTrue(System.currentTimeMillis() - begin < 2_000, "a held pull is answered by the message that matches");
        expected.add("012");
        assertEquals(expected.stream().sorted().collect(Collectors.toList()), inbox.bodies().stream().sorted().collect(Collectors.toList()));
    }

    @Test
    void litePull() throws Exception {
        String topic = Node.topic(3);
        sendNumbered(topic, 0, 40);
        DefaultLitePullConsumer consumer = litePull(Node.unique("group"));
        consumer.subscribe(topic, MessageSelector.bySql("n >= 35 AND kind IS NOT NULL"));
        consumer.start();
        List<MessageExt> seen = new ArrayList<>();
        long end = System.currentTimeMillis() + 15_000;
        while (seen.size() < 5 && System.currentTimeMillis() < end) seen.addAll(consumer.poll(200));
        seen.addAll(consumer.poll(300));
        assertEquals(List.of("035", "036", "037", "038", "039"), bodies(seen).stream().sorted().collect(Collectors.toList()));
    }

    /** Nothing for thousands of messages, then one. */
    @Test
    void matchesFarApart() throws Exception {
        String topic = Node.topic(1);
        MessageQueue queue = Node.queues(topic).get(0);
        for (int batch = 0; batch < 25; batch++) {
            List<Message> messages = new ArrayList<>();
            for (int i = 0; i < 100; i++) messages.add(numbered(topic, 0));
            acknowledged(Node.producer().send(messages, queue));
        }
        sendNumbered(topic, 7, 8);
        DefaultMQPushConsumer consumer = push(Node.unique("group"), topic, "*");
        consumer.subscribe(topic, MessageSelector.bySql("n = 7"));
        Inbox inbox = new Inbox();
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();
        inbox.holdsExactly(15, List.of("007"));
    }

    @Test
    void expressions() throws Exception {
        String topic = Node.topic(1);
        MessageQueue queue = Node.queues(topic).get(0);
        send(queue, "one", "a", "1", "s", "x");
        send(queue, "two", "a", "2", "s", "it's");
        send(queue, "half", "a", "2.5");
        send(queue, "big", "a", "3000000000", "s", "TRUE");
        send(queue, "word", "a", "many", "s", "xyz");
        send(queue, "none", "b", "1");
        DefaultMQPullConsumer consumer = pull(Node.unique("group"));
        String[][] table = {
            {"a > 1", "two"}, // what is no int32 cannot be compared, and does not come
            {"a > 1.0", "two half big"},
            {"a > 1 OR s = 'xyz'", "two"}, // the fault comes first
            {"s = 'xyz' OR a > 1", "two word"},
            {"a >= 3000000000", "big"},
            {"a BETWEEN 1 AND 2", "one two"},
            {"a NOT BETWEEN 2 AND 5", "one"},
            {"a IN ('1', '2.5', 'many')", "one half word"},
            {"a NOT IN ('1', '2.5')", "two big word"},
            {"a IS NULL", "none"},
            {"a IS NOT NULL AND s IS NULL", "half"},
            {"a <> '1'", "two half big word"},
            {"s = 'it''s'", "two"},
            {"s CONTAINS 'x'", "one word"},
            {"s NOT CONTAINS 'x'", "two big"},
            {"s STARTSWITH 'x' AND NOT (s ENDSWITH 'z')", "one"},
            {"s = TRUE", "big"},
            {"s = FALSE", "one two word"},
            {"NOT a", "one two half big word"}, // no property is TRUE
            {"a = b", ""},
            {"-a IS NULL", "one two half big word none"},
            {"a = 007", ""},
            {"a = 1 and what follows is not looked at", ""},
            {"a = 1 what follows is not looked at", "one"},
            {"a = 1 /* or */ OR -- or\n a = 2", "one two"},
        };
        for (String[] row : table) {
            List<String> expected = row[1].isEmpty() ? List.of() : List.of(row[1].split(" "));
            Node.eventually(5, "messages that match " + row[0], expected, () -> selected(consumer, queue, row[0]));
        }
    }

    @Test
    void badExpressions() throws Exception {
        String topic = Node.topic(1);
        for (String[] row : new String[][] {
            {"n > '5'", "Value ''5'' cannot be compared."},
            {"n >", "Encountered \"<EOF>\" at line 1, column 3."},
            {"n = NULL", "'NULL' cannot be compared."},
            {"n LIKE 'x%' AND", null},
            {"n BETWEEN 9 AND 1", "left value(9) must less than or equal to right value(1)"},
            {"n > 5 AND x ! 3", "Lexical error at line 1, column 13.  Encountered: \"!\" (33), after : \"\""},
        }) {
            DefaultMQPushConsumer consumer = push(Node.unique("group"), topic, "*");
            consumer.subscribe(topic, MessageSelector.bySql(row[0]));
            consumer.registerMessageListener(new Inbox().concurrently());
            if (row[1] == null) { // reads as `n`, and the rest is not looked at
                consumer.start();
                continue;
            }
            MQClientException refused = assertThrows(MQClientException.class, consumer::start, row[0]);
            assertEquals(23, refused.getResponseCode(), () -> "SUBSCRIPTION_PARSE_FAILED for " + row[0] + ": " + refused);
            assertTrue(refused.getErrorMessage().contains(row[1]), () -> row[0] + " is refused with <" + row[1] + ">: " + refused.getErrorMessage());
        }
    }

    private static List<String> selected(DefaultMQPullConsumer consumer, MessageQueue queue, String expression) throws Exception {
        List<MessageExt> all = new ArrayList<>();
        for (long next = 0; ; ) {
            PullResult result = consumer.pull(queue, MessageSelector.bySql(expression), next, 32);
            next = result.getNextBeginOffset();
            if (result.getPullStatus() == PullStatus.FOUND) all.addAll(result.getMsgFoundList());
            if (next >= result.getMaxOffset()) return bodies(all);
        }
    }

    private static void sendNumbered(String topic, int from, int to) throws Exception {
        for (int n : IntStream.range(from, to).toArray()) acknowledged(Node.producer().send(numbered(topic, n)));
    }

    private static Message numbered(String topic, int n) {
        Message message = new Message(topic, "t" + n, utf8(String.format("%03d", n)));
        message.putUserProperty("n", "" + n);
        message.putUserProperty("kind", n % 2 == 0 ? "even" : "odd");
        return message;
    }

    private static void send(MessageQueue queue, String body, String... properties) throws Exception {
        Message message = new Message(queue.getTopic(), utf8(body));
        for (int i = 0; i < properties.length; i += 2) message.putUserProperty(properties[i], properties[i + 1]);
        acknowledged(Node.producer().send(message, queue));
    }
}
