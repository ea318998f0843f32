//! Making the index file of a sealed segment again, from its records.
//!
//! It gets the entries of queues that exist now; the others nobody can ask for. What it cannot know are its links to
//! older runs: a search that comes by asks the segments before it one by one, which is slower and as right.
//!
//! The file is put in its place only when the log is durable up to where it was at the last `push`: a topic whose deletion
//! could still be lost in a crash would come back without its entries.
//!
//! Before: `log` (the segment's records, in their order); after: `build`, and `Queues::index_replaced`.

use hashbrown::HashMap;

use super::build::Build;
use super::chain::Links;
use super::entry::IndexEntry;
use super::queues::Queues;
use super::segment_index::{Run, SegmentIndex, Spare};
use crate::types::{LogPosition, QueueOffset};

#[derive(Debug)]
pub struct Rebuild {
    index: SegmentIndex,
    /// By where the queue was born.
    runs: HashMap<LogPosition, u32>,
    spare: Spare,
    build: Option<Build>,
}

impl Rebuild {
    /// Of the segment that begins there.
    pub fn new(segment: LogPosition) -> Rebuild {
        Rebuild { index: SegmentIndex::new(segment), runs: HashMap::new(), spare: Spare::new(0), build: None }
    }

    /// A queued record of the segment. Ones that are in no live queue are left out.
    pub fn push(
        &mut self,
        queues: &Queues,
        topic: &str,
        queue_id: u32,
        offset: QueueOffset,
        entry: IndexEntry,
        keys: impl IntoIterator<Item = u64>,
    ) {
        assert!(self.build.is_none(), "the records are complete");
        let Some(queue) = queues.slot(topic, queue_id).and_then(|slot| queues.get(slot)) else { return };
        let Some(born) = queue.born.get().filter(|born| *born <= entry.position) else { return };
        let run = *self.runs.entry(born).or_insert_with(|| {
            self.index.open_run(Run {
                slot: None,
                topic: queue.topic.clone(),
                incarnation: queue.incarnation,
                queue_id,
                born,
                first: offset,
                entries: Vec::new(),
            })
        });
        // A record that is not the next one of its queue is not of this queue.
        if self.index.runs[run as usize].end() != offset {
            return;
        }
        self.index.push(run, &entry);
        for hash in keys {
            self.index.push_key(hash, &entry, &mut self.spare);
        }
    }

    /// After the last record: appends about `pages_max` pages of the file; true when it is complete.
    pub fn slice(&mut self, out: &mut Vec<u8>, pages_max: usize) -> bool {
        let build = self.build.get_or_insert_with(|| Build::new(&self.index));
        build.slice(&mut self.index, |_| Links::UNKNOWN, out, pages_max)
    }
}
