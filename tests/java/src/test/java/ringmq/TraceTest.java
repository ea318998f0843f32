package ringmq;

import java.util.List;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

/** Clients that write down what becomes of their messages: the broker keeps it like any other message. */
@Execution(ExecutionMode.CONCURRENT)
class TraceTest extends ClientTest {
    /** Sending and consuming leave their traces in a topic of the user's. */
    @Test
    void inATopicOfOnesOwn() throws Exception {
        String topic = Node.topic(1), traces = Node.topic(1), group = Node.unique("group");
        Inbox written = new Inbox();
        push(Node.unique("group"), traces, "*", written);
        SendResult sent = sendTraced(topic, traces);
        traceOf(written, "Pub", sent);

        DefaultMQPushConsumer consumer = prepared(new DefaultMQPushConsumer(group, true, traces));
        Inbox inbox = new Inbox();
        consumer.subscribe(topic, "*");
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();
        inbox.holdsExactly(15, List.of("traced"));
        traceOf(written, "SubBefore", sent);
        traceOf(written, "SubAfter", sent);
    }

    /** Without a name the topic is the one of all, which is made by the first trace unless the broker has it from its start. */
    @Test
    void inTheTopicOfAll() throws Exception {
        SendResult sent = sendTraced(Node.topic(1), null);
        Inbox written = new Inbox();
        push(Node.unique("group"), "RMQ_SYS_TRACE_TOPIC", "*", written);
        String[] fields = traceOf(written, "Pub", sent).split("\u0001");
        assertEquals("DefaultRegion", fields[2], "the region that the broker gave with its answer");
        assertEquals(sent.getMsgId(), fields[5], "the message's id");
    }

    private SendResult sendTraced(String topic, String traces) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer(Node.unique("producers"), true, traces);
        producer.setNamesrvAddr(Node.NAMESRV);
        producer.setInstanceName(Node.unique("producer"));
        started(producer);
        SendResult sent = acknowledged(producer.send(new Message(topic, "tag", "key-of-" + topic, utf8("traced"))));
        assertTrue(sent.isTraceOn(), "the broker wants traces");
        assertEquals("DefaultRegion", sent.getRegionId());
        return sent;
    }

    /** The record of this kind about this message. */
    private static String traceOf(Inbox written, String kind, SendResult sent) throws Exception {
        Node.eventually(30, kind + " of " + sent.getMsgId(), 1L, () -> records(written, kind, sent).size() > 0 ? 1L : 0L);
        return records(written, kind, sent).get(0);
    }

    private static List<String> records(Inbox written, String kind, SendResult sent) {
        return written.messages().stream().filter(m -> keys(m).contains(sent.getMsgId()))
            .flatMap(m -> List.of(Inbox.text(m).split("\u0002")).stream())
            .filter(record -> record.startsWith(kind + "\u0001") && record.contains(sent.getMsgId())).collect(Collectors.toList());
    }

    private static List<String> keys(MessageExt message) { return message.getKeys() == null ? List.of() : List.of(message.getKeys().split(" ")); }
}
