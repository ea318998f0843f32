package ringmq;

import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;

import static org.junit.jupiter.api.Assertions.assertEquals;

/** A broadcasting consumer keeps its offsets in a file of its own: the broker has none, and it goes on where it stopped. */
class BroadcastTest extends ClientTest {
    @Test
    void goesOnWhereItsOwnFileSays() throws Exception {
        String topic = Node.topic(2), group = Node.unique("group"), instance = Node.unique("broadcaster");
        send(topic, texts("first", 20));
        Inbox first = new Inbox();
        DefaultMQPushConsumer consumer = broadcaster(group, topic, instance, first);
        first.holdsExactly(15, texts("first", 20));
        assertEquals("BROADCASTING", Node.admin().examineConsumerConnectionInfo(group).getMessageModel().name());
        consumer.shutdown();
        for (MessageQueue queue : Node.queues(topic)) assertEquals(-1, committed(group, queue), "offset that the broker has of " + queue);
        send(topic, texts("meanwhile", 20));
        Inbox second = new Inbox();
        broadcaster(group, topic, instance, second);
        second.holdsExactly(15, texts("meanwhile", 20));
        for (MessageQueue queue : Node.queues(topic)) assertEquals(-1, committed(group, queue), "offset that the broker has of " + queue);
    }

    private DefaultMQPushConsumer broadcaster(String group, String topic, String instance, Inbox inbox) throws Exception {
        DefaultMQPushConsumer consumer = push(group, topic, "*");
        consumer.setInstanceName(instance);
        // the enum's package differs between the two lines; its class is reached through one of its values
        consumer.setMessageModel(consumer.getMessageModel().valueOf("BROADCASTING"));
        consumer.registerMessageListener(inbox.concurrently());
        consumer.start();
        return consumer;
    }
}
