use super::folder::Folder;
use super::side::Peer;
pub fn run(_: &Folder, _: &Peer, _: &Peer, _: u64, _: usize) -> Result<bool, String> { Err(String::new()) }
