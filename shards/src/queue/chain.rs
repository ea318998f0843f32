//! How the runs of one queue in sealed segments are found: each run knows the one before it and one far before it.
//!
//! A table of all runs of all queues would grow with queues times segments. So the runs form a chain, and links are
//! stored in the index files: `previous`, and `jump` as in Myers' random-access lists (skew-binary numbers), with which
//! any run is reached in O(log runs) steps. In memory a queue keeps only its newest run's path of jumps.

use crate::types::{LogPosition, Millis, QueueOffset};

/// One run: enough to decide whether what is wanted lies there or before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub segment: LogPosition,
    pub first: QueueOffset,
    pub first_time: Millis,
}

/// Where an older run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Back {
    /// There is none.
    Start,
    At(Link),
    /// This file was rebuilt later and could not know: the segments before it must be asked one by one.
    Unknown,
}

/// The two links of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Links {
    pub previous: Back,
    pub jump: Back,
}

impl Links {
    pub const START: Links = Links { previous: Back::Start, jump: Back::Start };
    pub const UNKNOWN: Links = Links { previous: Back::Unknown, jump: Back::Unknown };
}

/// The path of jumps from the newest sealed run, which is last, to the first one ever. Lives in its queue, and has no room to
/// spare: it changes once a segment, and there are as many as queues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    path: Box<[Node]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub link: Link,
    /// How many runs there were before this one.
    pub depth: u32,
}

impl Chain {
    /// The chain that a snapshot kept, if it is one: it begins with the first run, and positions, offsets and depths grow.
    pub fn of_path(path: Vec<Node>) -> Option<Chain> {
        if path.first().is_some_and(|first| first.depth != 0) {
            return None;
        }
        let grows = |pair: &[Node]| {
            pair[0].link.segment < pair[1].link.segment
                && pair[0].link.first < pair[1].link.first
                && pair[0].depth < pair[1].depth
        };
        path.windows(2).all(grows).then(|| Chain { path: path.into() })
    }

    /// Oldest first.
    pub fn path(&self) -> &[Node] {
        &self.path
    }

    pub fn newest(&self) -> Option<&Link> {
        self.path.last().map(|node| &node.link)
    }

    /// The links of the run that comes next.
    pub fn links(&self) -> Links {
        let at = |node: Option<&Node>| node.map_or(Back::Start, |node| Back::At(node.link));
        let jump = if self.jumps_far() { self.path.get(self.path.len() - 3) } else { self.path.last() };
        Links { previous: at(self.path.last()), jump: at(jump) }
    }

    /// A run was sealed that has the links that `links` told.
    pub fn push(&mut self, link: Link) {
        let depth = match self.path.last() {
            Some(newest) => {
                assert!(newest.link.segment < link.segment, "segments are sealed in their order");
                assert!(newest.link.first < link.first);
                newest.depth + 1
            }
            None => 0,
        };
        let kept = if self.jumps_far() { self.path.len() - 2 } else { self.path.len() };
        let mut path = Vec::with_capacity(kept + 1);
        path.extend_from_slice(&self.path[..kept]);
        path.push(Node { link, depth });
        self.path = path.into();
    }

    /// Whether the two newest jumps are equally long: then the next one spans both.
    fn jumps_far(&self) -> bool {
        match &*self.path {
            [.., oldest, middle, newest] => newest.depth - middle.depth == middle.depth - oldest.depth,
            _ => false,
        }
    }

    /// Where the search for the newest run that is not `too_new` begins.
    pub fn enter(&self, too_new: impl Fn(&Link) -> bool) -> Entrance {
        let mut newer: Option<&Node> = None;
        for node in self.path.iter().rev() {
            if !too_new(&node.link) {
                return match newer {
                    None => Entrance::Found { link: node.link, newer: None },
                    // There is none between them.
                    Some(newer) if newer.depth == node.depth + 1 => Entrance::Found { link: node.link, newer: Some(newer.link) },
                    Some(newer) => Entrance::Before(newer.link),
                };
            }
            newer = Some(node);
        }
        match newer {
            Some(first) => Entrance::AllTooNew(first.link),
            None => Entrance::Empty,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entrance {
    Empty,
    Found {
        link: Link,
        newer: Option<Link>,
    },
    /// This one is too new; its links lead to the right one.
    Before(Link),
    /// Even the first run is too new.
    AllTooNew(Link),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(n: u64) -> Link {
        Link { segment: LogPosition(n * 100), first: QueueOffset(n as i64 * 10), first_time: Millis(n as i64) }
    }

    /// Every run of a thousand is reached from the newest one in a few steps, over stored links only.
    #[test]
    fn any_run_is_near() {
        let mut chain = Chain::default();
        let mut stored: Vec<Links> = Vec::new();
        for n in 0..1_000u64 {
            assert_eq!(chain.links().previous, if n == 0 { Back::Start } else { Back::At(link(n - 1)) });
            stored.push(chain.links());
            chain.push(link(n));
            assert!(chain.path().len() <= 20);
        }
        for wanted in 0..1_000i64 {
            let too_new = |link: &Link| link.first.0 > wanted * 10 + 5;
            let mut steps = 0;
            let found = match chain.enter(too_new) {
                Entrance::Found { link, .. } => link,
                Entrance::Before(mut at) => loop {
                    steps += 1;
                    let links = stored[at.segment.0 as usize / 100];
                    let Back::At(previous) = links.previous else { panic!("run {wanted} exists") };
                    if !too_new(&previous) {
                        break previous;
                    }
                    at = match links.jump {
                        Back::At(jump) if too_new(&jump) => jump,
                        _ => previous,
                    };
                },
                other => panic!("{other:?}"),
            };
            assert_eq!(found, link(wanted as u64));
            assert!(steps <= 20, "{steps} steps");
        }
        assert_eq!(chain.enter(|_| true), Entrance::AllTooNew(link(0)));
        assert_eq!(Chain::default().enter(|_| true), Entrance::Empty);
    }

    #[test]
    fn a_path_that_does_not_grow_is_none() {
        let node = |n| Node { link: link(n), depth: n as u32 };
        assert!(Chain::of_path(vec![node(0), node(3), node(4)]).is_some());
        assert!(Chain::of_path(vec![node(3), node(3)]).is_none());
        assert!(Chain::of_path(vec![node(4), node(3)]).is_none());
    }
}
