//! Which connection a producer is reached by: for replies to requests that it has sent as messages.
//!
//! Kept on the core of the connection, by the name that the producer's last heartbeat gave. Of two connections with one
//! name the one that heartbeat later counts. A connection has one name at a time, so the table is as bounded as they are.
//!
//! Before: `broker::client` (heartbeats, departures); asked by `broker::reply`.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use ringmq_shards::types::Millis;

use crate::net::ConnectionNumber;

/// A producer's connection, and when it said so last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    pub connection: ConnectionNumber,
    pub at: Millis,
}

#[derive(Debug, Default)]
pub struct Producers {
    by_client: HashMap<Rc<str>, Reached>,
    by_connection: BTreeMap<ConnectionNumber, Rc<str>>,
}

impl Producers {
    /// A heartbeat of a producer. Allocates only for a new name.
    pub fn heartbeat(&mut self, client_id: &str, connection: ConnectionNumber, now: Millis) {
        let reached = Reached { connection, at: now };
        if let Some(known) = self.by_client.get_mut(client_id)
            && known.connection == connection
        {
            *known = reached;
            return;
        }
        self.gone(connection);
        let client_id: Rc<str> = Rc::from(client_id);
        if let Some(before) = self.by_client.insert(client_id.clone(), reached) {
            self.by_connection.remove(&before.connection);
        }
        self.by_connection.insert(connection, client_id);
    }

    /// The connection has ended, or its producer has left.
    pub fn gone(&mut self, connection: ConnectionNumber) {
        if let Some(client_id) = self.by_connection.remove(&connection) {
            self.by_client.remove(&client_id);
        }
    }

    pub fn find(&self, client_id: &str) -> Option<Reached> {
        self.by_client.get(client_id).copied()
    }

    pub fn len(&self) -> usize {
        self.by_client.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_client.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_to_the_connection_that_gave_it_last() {
        let (one, two) = (ConnectionNumber(1), ConnectionNumber(2));
        let mut producers = Producers::default();
        producers.heartbeat("a", one, Millis(1));
        producers.heartbeat("a", one, Millis(2));
        assert_eq!(producers.find("a"), Some(Reached { connection: one, at: Millis(2) }));
        producers.heartbeat("a", two, Millis(3));
        producers.gone(one);
        assert_eq!(producers.find("a"), Some(Reached { connection: two, at: Millis(3) }), "the old one ended later");
        producers.gone(two);
        assert!(producers.is_empty());
    }

    #[test]
    fn a_connection_has_one_name() {
        let mut producers = Producers::default();
        for number in 0..100 {
            producers.heartbeat(&format!("c{number}"), ConnectionNumber(1), Millis(number));
        }
        assert_eq!((producers.len(), producers.find("c98")), (1, None));
        assert!(producers.find("c99").is_some());
    }
}
