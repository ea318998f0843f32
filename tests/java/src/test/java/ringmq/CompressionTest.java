package ringmq;

import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.List;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.junit.jupiter.api.Test;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

/** Bodies that the client compresses: the broker keeps them as they are, with the bits that say how. */
class CompressionTest extends ClientTest {
    private static final List<String> TYPES = List.of("LZ4", "ZSTD", "ZLIB");

    @Test
    void everyTypeComesBackWhole() throws Exception {
        byte[] body = utf8("compress me, ".repeat(20_000));
        for (int type = 1; type <= TYPES.size(); type++) {
            DefaultMQProducer producer = Node.newProducer();
            boolean chosen = choose(producer, TYPES.get(type - 1));
            producer.setSendMsgTimeout(10_000);
            started(producer);
            MessageQueue queue = Node.queues(Node.topic(1)).get(0);
            acknowledged(producer.send(new Message(queue.getTopic(), body.clone()), queue));
            MessageExt stored = everythingIn(queue, 1).get(0);
            assertArrayEquals(body, stored.getBody(), "body after decompression");
            assertTrue(stored.getStoreSize() < body.length / 10, "stored size " + stored.getStoreSize() + " of a body of " + body.length);
            if (chosen) assertEquals(type, stored.getSysFlag() >> 8 & 7, "the bits that say how: " + TYPES.get(type - 1));
        }
    }

    /** 4.9 has no choice: it is zlib, without a word about it. */
    private static boolean choose(DefaultMQProducer producer, String type) throws Exception {
        for (Method method : DefaultMQProducer.class.getMethods()) {
            if (!method.getName().equals("setCompressType")) continue;
            Object value = Arrays.stream(method.getParameterTypes()[0].getEnumConstants()).filter(c -> c.toString().equals(type)).findFirst().orElseThrow();
            method.invoke(producer, value);
            return true;
        }
        return false;
    }
}
