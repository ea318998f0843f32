//! Dividing a topic's queues among the members of a group, as the Java client does it for itself.
//!
//! Pure. Queues and members come sorted, so that every member's query gives the same division.

use crate::remoting::request::queue::MessageQueue;

/// AllocateMessageQueueStrategy, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Neighbouring queues.
    Average,
    /// Every n-th queue.
    Circle,
}

impl Strategy {
    pub fn from_name(name: &str) -> Option<Strategy> {
        match name {
            "AVG" => Some(Strategy::Average),
            "AVG_BY_CIRCLE" => Some(Strategy::Circle),
            _ => None,
        }
    }

    /// The queues of one member; none for who is no member.
    pub fn allocate(self, client: &str, queues: &[MessageQueue], members: &[String]) -> Vec<MessageQueue> {
        let Some(index) = members.iter().position(|member| member == client) else { return Vec::new() };
        match self {
            Strategy::Average => {
                let (share, extra) = (queues.len() / members.len(), queues.len() % members.len());
                let first = index * share + index.min(extra);
                let count = share + usize::from(index < extra);
                queues[first..first + count].to_vec()
            }
            Strategy::Circle => queues.iter().skip(index).step_by(members.len()).cloned().collect(),
        }
    }
}

/// For popping: each member may take part in the queues of the next `share` members. Everyone in everything is the ordinary
/// case, told by queue -1.
pub fn allocate_for_pop(
    strategy: Strategy,
    client: &str,
    queues: &[MessageQueue],
    members: &[String],
    share: i32,
) -> Vec<MessageQueue> {
    let share = usize::try_from(share).unwrap_or(0);
    if share == 0 || share + 1 >= members.len() {
        let any = |queue: &MessageQueue| MessageQueue { queue_id: -1, ..queue.clone() };
        return distinct(queues.iter().map(any).collect());
    }
    let Some(index) = members.iter().position(|member| member == client) else { return Vec::new() };
    if members.len() > queues.len() {
        // Fewer queues than members: each has one, and no queue is nobody's.
        return queues.get(index % queues.len().max(1)).cloned().into_iter().collect();
    }
    let shared = (0..=share).map(|step| &members[(index + step) % members.len()]);
    distinct(shared.flat_map(|member| strategy.allocate(member, queues, members)).collect())
}

fn distinct(mut queues: Vec<MessageQueue>) -> Vec<MessageQueue> {
    queues.sort();
    queues.dedup();
    queues
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues(count: i32) -> Vec<MessageQueue> {
        (0..count).map(|queue_id| MessageQueue { broker_name: "b".into(), queue_id, topic: "T".into() }).collect()
    }

    fn members(names: &str) -> Vec<String> {
        names.split(' ').map(str::to_owned).collect()
    }

    fn ids(queues: Vec<MessageQueue>) -> Vec<i32> {
        queues.into_iter().map(|queue| queue.queue_id).collect()
    }

    #[test]
    fn queues_are_divided_as_java_clients_divide_them() {
        let (eight, three) = (queues(8), members("a b c"));
        let average = |client| ids(Strategy::Average.allocate(client, &eight, &three));
        assert_eq!((average("a"), average("b"), average("c")), (vec![0, 1, 2], vec![3, 4, 5], vec![6, 7]));
        let circle = |client| ids(Strategy::Circle.allocate(client, &eight, &three));
        assert_eq!((circle("a"), circle("b"), circle("c")), (vec![0, 3, 6], vec![1, 4, 7], vec![2, 5]));
        assert_eq!(average("stranger"), [0; 0]);
        assert_eq!(ids(Strategy::Average.allocate("c", &queues(2), &three)), [0; 0], "fewer queues than members");
        assert_eq!(Strategy::from_name("MACHINE_ROOM"), None);
    }

    #[test]
    fn everyone_pops_everything_unless_shares_are_limited() {
        let pop = |client, queue_nums, names, share| {
            ids(allocate_for_pop(Strategy::Average, client, &queues(queue_nums), &members(names), share))
        };
        assert_eq!(pop("a", 8, "a b c", -1), [-1]);
        assert_eq!(pop("a", 8, "a b c", 0), [-1]);
        assert_eq!(pop("a", 8, "a b c", 2), [-1], "all neighbours are everyone");
        assert_eq!(pop("a", 8, "a b c d", 1), [0, 1, 2, 3]);
        assert_eq!(pop("d", 8, "a b c d", 1), [0, 1, 6, 7]);
        assert_eq!(pop("d", 3, "a b c d e", 1), [0], "fewer queues than members");
        assert_eq!(pop("x", 8, "a b c d", 1), [0; 0]);
    }
}
