package ringmq;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.common.message.MessageExt;

import static org.junit.jupiter.api.Assertions.assertEquals;

/** Everything that one or more consumers were given, in the order in which it came. */
final class Inbox {
    private final List<MessageExt> messages = new ArrayList<>();

    MessageListenerConcurrently concurrently() {
        return (batch, context) -> { add(batch); return ConsumeConcurrentlyStatus.CONSUME_SUCCESS; };
    }

    MessageListenerOrderly orderly() {
        return (batch, context) -> { add(batch); return ConsumeOrderlyStatus.SUCCESS; };
    }

    synchronized void add(Collection<MessageExt> batch) { messages.addAll(batch); }

    synchronized List<MessageExt> messages() { return new ArrayList<>(messages); }

    List<String> bodies() { return messages().stream().map(Inbox::text).collect(Collectors.toList()); }

    static String text(MessageExt message) { return new String(message.getBody(), java.nio.charset.StandardCharsets.UTF_8); }

    /** Waits until each of these has come, then says whether each came once and nothing else did. */
    void holdsExactly(int seconds, Collection<String> expected) throws InterruptedException {
        TreeSet<String> wanted = new TreeSet<>(expected);
        Node.eventually(seconds, "messages not yet received", List.of(), () -> {
            TreeSet<String> missing = new TreeSet<>(wanted);
            missing.removeAll(bodies());
            return new ArrayList<>(missing);
        });
        assertEquals(new ArrayList<>(wanted), bodies().stream().sorted().collect(Collectors.toList()), "each message once and no other");
    }
}
