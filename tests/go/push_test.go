package stockgo

import "testing"

func TestPushClusteringAndRestart(t *testing.T) {
	t.Parallel()
	p := startedProducer(t)
	topic, group := newTopic(t, p), unique("group")
	for _, body := range texts("before", 40) {
		sent(t, p, message(topic, body))
	}
	first := &inbox{}
	c := consume(t, group, topic, "*", first)
	for _, body := range texts("while", 40) {
		sent(t, p, message(topic, body))
	}
	expected := append(append(texts("before", 40), texts("while", 40)...), "first")
	first.holdsExactly(t, expected)
	if err := c.Shutdown(); err != nil {
		t.Fatal(err)
	}
	for _, body := range texts("meanwhile", 20) {
		sent(t, p, message(topic, body))
	}
	second := &inbox{}
	consume(t, group, topic, "*", second)
	second.holdsExactly(t, texts("meanwhile", 20))
}

// "Aa" and "BB" have the same hash code, which is all that the broker compares.
func TestTags(t *testing.T) {
	t.Parallel()
	p := startedProducer(t)
	topic := newTopic(t, p)
	for _, tag := range []string{"Aa", "BB", "C"} {
		for _, body := range texts(tag, 10) {
			sent(t, p, message(topic, body).WithTag(tag))
		}
	}
	one, two := &inbox{}, &inbox{}
	consume(t, unique("group"), topic, "Aa", one)
	consume(t, unique("group"), topic, "BB || C", two)
	one.holdsExactly(t, texts("Aa", 10))
	two.holdsExactly(t, append(texts("BB", 10), texts("C", 10)...))
}
