package stockgo

import (
	"context"
	"fmt"
	"reflect"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/apache/rocketmq-client-go/v2/primitive"
)

func TestSendSync(t *testing.T) {
	t.Parallel()
	p := startedProducer(t)
	first := sent(t, p, message(unique("topic"), "sync 0"))
	next := map[int]int64{first.MessageQueue.QueueId: 1}
	for i := 1; i < 40; i++ {
		result := sent(t, p, message(first.MessageQueue.Topic, fmt.Sprint("sync ", i)))
		queue := result.MessageQueue.QueueId
		if result.QueueOffset != next[queue] {
			t.Fatalf("message %d: expected offset %d in queue %d, got %v", i, next[queue], queue, result)
		}
		if len(result.OffsetMsgID) != 32 {
			t.Fatalf("expected an offset id of 32 hex digits, got %q", result.OffsetMsgID)
		}
		next[queue]++
	}
	if len(next) != 4 {
		t.Fatalf("expected messages in 4 queues, got %v", next)
	}
}

func TestSendAsync(t *testing.T) {
	t.Parallel()
	p := startedProducer(t)
	topic := newTopic(t, p)
	places := make(chan string, 100)
	for _, body := range texts("async", 100) {
		err := p.SendAsync(context.Background(), func(_ context.Context, result *primitive.SendResult, err error) {
			if err != nil {
				places <- err.Error()
			} else {
				places <- fmt.Sprintf("%v %d@%d", result.Status == primitive.SendOK, result.MessageQueue.QueueId, result.QueueOffset)
			}
		}, message(topic, body))
		if err != nil {
			t.Fatalf("sending %s: %v", body, err)
		}
	}
	seen := map[string]bool{}
	for len(seen) < 100 {
		select {
		case place := <-places:
			if !strings.HasPrefix(place, "true ") || seen[place] {
				t.Fatalf("expected each message acknowledged at a place of its own, got %s", place)
			}
			seen[place] = true
		case <-time.After(10 * time.Second):
			t.Fatalf("expected 100 answers within 10 s, got %d", len(seen))
		}
	}
}

func TestSendOneWayIsStored(t *testing.T) {
	t.Parallel()
	p := startedProducer(t)
	topic := newTopic(t, p)
	for _, body := range texts("oneway", 20) {
		if err := p.SendOneWay(context.Background(), message(topic, body)); err != nil {
			t.Fatalf("sending %s: %v", body, err)
		}
	}
	in := &inbox{}
	consume(t, unique("group"), topic, "*", in)
	in.holdsExactly(t, append(texts("oneway", 20), "first"))
}

func TestSendBatch(t *testing.T) {
	t.Parallel()
	p := startedProducer(t)
	topic := newTopic(t, p)
	batch := []*primitive.Message{}
	for _, body := range texts("batch", 10) {
		batch = append(batch, message(topic, body).WithKeys([]string{"key-" + body}))
	}
	result := sent(t, p, batch...)
	if ids := strings.Split(result.OffsetMsgID, ","); len(ids) != 10 {
		t.Fatalf("expected 10 offset ids, got %q", result.OffsetMsgID)
	}
	in := &inbox{}
	consume(t, unique("group"), topic, "*", in)
	in.holdsExactly(t, append(texts("batch", 10), "first"))
	keys, offsets := []string{}, []int{}
	for _, m := range in.messages {
		if string(m.Body) != "first" {
			keys, offsets = append(keys, m.GetKeys()), append(offsets, int(m.QueueOffset-result.QueueOffset))
		}
	}
	sort.Strings(keys)
	sort.Ints(offsets)
	if !reflect.DeepEqual(offsets, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}) {
		t.Fatalf("expected the batch at ten offsets in a row, got %v", offsets)
	}
	if len(keys) != 10 || strings.TrimSpace(keys[3]) != "key-batch-003" {
		t.Fatalf("expected each message's own key, got %v", keys)
	}
}

func TestEveryPartOfAMessageComesBack(t *testing.T) {
	t.Parallel()
	p := startedProducer(t)
	topic := unique("topic")
	m := message(topic, "Grüße, 世界, 🦀 "+strings.Repeat("compress me ", 1000)).WithTag("标签").WithKeys([]string{"one", "two"})
	m.WithProperty("größe", "大きい")
	m.Flag = 77
	result := sent(t, p, m)
	in := &inbox{}
	consume(t, unique("group"), topic, "*", in)
	in.holdsExactly(t, []string{string(m.Body)})
	got := in.messages[0]
	if got.GetTags() != "标签" || strings.TrimSpace(got.GetKeys()) != "one two" || got.GetProperty("größe") != "大きい" || got.Flag != 77 {
		t.Fatalf("expected tag 标签, keys 'one two', property größe=大きい and flag 77, got %v", got)
	}
	if got.MsgId != result.MsgID || got.OffsetMsgId != result.OffsetMsgID || got.QueueOffset != result.QueueOffset {
		t.Fatalf("expected the ids and the offset of %v, got %v", result, got)
	}
}
