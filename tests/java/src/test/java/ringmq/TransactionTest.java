package ringmq;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

import static org.apache.rocketmq.client.producer.LocalTransactionState.COMMIT_MESSAGE;
import static org.apache.rocketmq.client.producer.LocalTransactionState.ROLLBACK_MESSAGE;
import static org.apache.rocketmq.client.producer.LocalTransactionState.UNKNOW;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

/** Transactions: what is committed comes once, what is rolled back never, and who does not know is asked. */
@Execution(ExecutionMode.CONCURRENT)
@Timeout(value = 4, unit = TimeUnit.MINUTES)
class TransactionTest extends ClientTest {
    /** A broker that has just been told of a shorter interval may still be in the middle of the longest of the originals'. */
    private static final int CHECK_SECONDS = 70;
    private static final Map<String, String> SHORT = Map.of("transactionTimeOut", "1000", "transactionCheckInterval", "1000");
    private static final Map<String, Properties> BEFORE = new LinkedHashMap<>();
    private final List<TransactionMQProducer> producers = new ArrayList<>();

    @BeforeAll
    static void shortTimes() throws Exception {
        for (String broker : Node.brokers()) {
            Properties all = Node.admin().getBrokerConfig(broker), before = new Properties(), changed = new Properties();
            for (String name : SHORT.keySet()) before.setProperty(name, all.getProperty(name));
            changed.putAll(SHORT);
            Node.admin().updateBrokerConfig(broker, changed);
            BEFORE.put(broker, before);
        }
    }

    @AfterAll
    static void timesAsBefore() throws Exception {
        for (var broker : BEFORE.entrySet()) Node.admin().updateBrokerConfig(broker.getKey(), broker.getValue());
    }

    @AfterEach
    void stopProducers() { producers.forEach(TransactionMQProducer::shutdown); }

    @Test
    void committedComesAndRolledBackDoesNot() throws Exception {
        String topic = Node.topic(4);
        Inbox inbox = new Inbox();
        push(Node.unique("group"), topic, "*", inbox);
        Listener listener = new Listener(message -> text(message).startsWith("good") ? COMMIT_MESSAGE : ROLLBACK_MESSAGE, message -> UNKNOW);
        TransactionMQProducer producer = producer(Node.unique("producers"), listener);
        List<String> good = texts("good", 30);
        for (int i = 0; i < 30; i++) {
            send(producer, topic, good.get(i), COMMIT_MESSAGE);
            send(producer, topic, "bad " + i, ROLLBACK_MESSAGE);
        }
        inbox.holdsExactly(20, good);
        // long enough for checks, if any were still to come
        Thread.sleep(4000);
        inbox.holdsExactly(1, good);
        for (MessageExt message : inbox.messages()) {
            assertEquals(0x8, message.getSysFlag() & 0xC, "the transaction bits of " + message);
            assertTrue(message.getPreparedTransactionOffset() > 0, "the half message's offset in " + message);
            assertEquals(topic, message.getTopic());
            assertEquals("v", message.getUserProperty("k"));
        }
    }

    @Test
    void whoDoesNotKnowIsAsked() throws Exception {
        String topic = Node.topic(4);
        Inbox inbox = new Inbox();
        push(Node.unique("group"), topic, "*", inbox);
        Map<String, Integer> asked = new ConcurrentHashMap<>();
        Listener listener = new Listener(message -> UNKNOW, message -> {
            // the first answer is that it still does not know
            if (asked.merge(text(message), 1, Integer::sum) == 1) return UNKNOW;
            return text(message).startsWith("good") ? COMMIT_MESSAGE : ROLLBACK_MESSAGE;
        });
        TransactionMQProducer producer = producer(Node.unique("producers"), listener);
        Map<String, TransactionSendResult> sent = new LinkedHashMap<>();
        for (String body : List.of("good 1", "good 2", "bad 1")) sent.put(body, send(producer, topic, body, UNKNOW));
        inbox.holdsExactly(CHECK_SECONDS, List.of("good 1", "good 2"));
        Node.eventually(CHECK_SECONDS, "times that the one was asked that is rolled back", 2, () -> asked.get("bad 1"));
        Thread.sleep(4000);
        inbox.holdsExactly(1, List.of("good 1", "good 2"));
        assertEquals(Map.of("good 1", 2, "good 2", 2, "bad 1", 2), asked, "whoever has answered is not asked again");
        for (MessageExt message : listener.checked) {
            TransactionSendResult result = sent.get(text(message));
            assertEquals(topic, message.getTopic());
            assertEquals(result.getMessageQueue().getQueueId(), message.getQueueId());
            assertEquals(result.getTransactionId(), message.getTransactionId());
            assertEquals(result.getMsgId(), message.getProperty("UNIQ_KEY"));
            assertTrue(Integer.parseInt(message.getProperty("TRANSACTION_CHECK_TIMES")) >= 1);
        }
    }

    /** The producer that sent it is gone: another client of its group is asked. */
    @Test
    void aRestartedProducerAnswers() throws Exception {
        String topic = Node.topic(4), group = Node.unique("producers");
        Inbox inbox = new Inbox();
        push(Node.unique("group"), topic, "*", inbox);
        TransactionMQProducer first = producer(group, new Listener(message -> UNKNOW, message -> UNKNOW));
        send(first, topic, "left alone", UNKNOW);
        first.shutdown();
        Listener second = new Listener(message -> ROLLBACK_MESSAGE, message -> COMMIT_MESSAGE);
        // a client sends heartbeats to the brokers of topics that it has sent to
        send(producer(group, second), topic, "of the second", ROLLBACK_MESSAGE);
        inbox.holdsExactly(CHECK_SECONDS, List.of("left alone"));
        assertEquals("left alone", text(second.checked.peek()));
    }

    private TransactionMQProducer producer(String group, TransactionListener listener) throws Exception {
        TransactionMQProducer producer = new TransactionMQProducer(group);
        producer.setNamesrvAddr(Node.NAMESRV);
        producer.setInstanceName(Node.unique("producer"));
        producer.setHeartbeatBrokerInterval(1_000);
        producer.setTransactionListener(listener);
        producer.start();
        producers.add(producer);
        return producer;
    }

    private static TransactionSendResult send(TransactionMQProducer producer, String topic, String body, LocalTransactionState state)
        throws Exception {
        Message message = new Message(topic, "tag", "key", utf8(body));
        message.putUserProperty("k", "v");
        TransactionSendResult result = producer.sendMessageInTransaction(message, null);
        assertEquals(SendStatus.SEND_OK, result.getSendStatus());
        assertEquals(state, result.getLocalTransactionState());
        return result;
    }

    private static String text(Message message) { return new String(message.getBody(), java.nio.charset.StandardCharsets.UTF_8); }

    private static final class Listener implements TransactionListener {
        final ConcurrentLinkedQueue<MessageExt> checked = new ConcurrentLinkedQueue<>();
        private final Function<Message, LocalTransactionState> execute;
        private final Function<MessageExt, LocalTransactionState> check;

        Listener(Function<Message, LocalTransactionState> execute, Function<MessageExt, LocalTransactionState> check) {
            this.execute = execute;
            this.check = check;
        }

        @Override
        public LocalTransactionState executeLocalTransaction(Message message, Object argument) { return execute.apply(message); }

        @Override
        public LocalTransactionState checkLocalTransaction(MessageExt message) {
            checked.add(message);
            return check.apply(message);
        }
    }
}
