//! A full disk: sends are refused with the reason, nothing acknowledged is lost, and the node takes messages again by itself
//! when there is room. On a small file system of its own in a loop device; skipped where that cannot be mounted.

#[path = "node/mod.rs"]
mod node;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use node::{Client, Encoding, Node, pull, send_v2};

const DISK_BYTES: u64 = 192 << 20;
/// What somebody else has written to the disk.
const FILLER_BYTES: u64 = 96 << 20;
const TOPIC: &str = "FullTopic";
static BODY: [u8; 100_000] = [b'x'; 100_000];
const SYSTEM_ERROR_OF_DISK: i32 = 14;

/// A mounted file system; unmounted and removed at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount() -> Result<SmallDisk, String> {
        let folder = std::env::temp_dir().join(format!("ringmq-disk-full-{}", std::process::id()));
        let disk = SmallDisk(folder);
        std::fs::create_dir_all(disk.point()).map_err(|error| error.to_string())?;
        let image = disk.0.join("image");
        let file = std::fs::File::create(&image).map_err(|error| error.to_string())?;
        file.set_len(DISK_BYTES).map_err(|error| error.to_string())?;
        run("mkfs.ext4", &["-q".as_ref(), "-F".as_ref(), "-m0".as_ref(), image.as_ref()])?;
        run("mount", &["-o".as_ref(), "loop".as_ref(), image.as_ref(), disk.point().as_ref()])?;
        Ok(disk)
    }

    fn point(&self) -> PathBuf {
        self.0.join("mounted")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        _ = run("umount", &[self.point().as_ref()]);
        _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(program: &str, arguments: &[&std::ffi::OsStr]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

#[test]
fn sends_are_refused_until_there_is_room() {
    if !node::can_run() {
        return;
    }
    let disk = match SmallDisk::mount() {
        Ok(disk) => disk,
        Err(why) => return println!("skipped: no file system in a loop device: {why}"),
    };
    let filler = disk.point().join("filler");
    std::fs::write(&filler, vec![1; FILLER_BYTES as usize]).expect("the disk is larger");
    let data = disk.point().join("data");
    // Nothing is deleted for room here: what must come back is room that others give.
    let node = Node::start_in(&data, &["--shards", "1", "--set", "cleanFileForciblyEnable=false"]);
    let mut client = node.broker();
    let (mut acknowledged, refusal) = fill(&mut client);
    assert_eq!(refusal.0, SYSTEM_ERROR_OF_DISK, "{refusal:?}");
    for told in [data.to_str().expect("a plain name"), "% full", "free some space"] {
        assert!(refusal.1.contains(told), "{told:?} is not in {:?}", refusal.1);
    }
    assert!(acknowledged > 100, "{acknowledged} messages fit");
    read_all(&mut client, acknowledged);
    std::fs::remove_file(&filler).expect("ours");
    let began = Instant::now();
    loop {
        let answer = client.call(&send_v2(Encoding::Binary, 1, TOPIC, 0, &BODY));
        if answer.code == 0 {
            break;
        }
        assert_eq!(answer.code, SYSTEM_ERROR_OF_DISK, "{}", answer.remark);
        assert!(began.elapsed() < Duration::from_secs(30), "there is room again, but: {}", answer.remark);
        std::thread::sleep(Duration::from_millis(100));
    }
    acknowledged += 1;
    read_all(&mut client, acknowledged);
}

/// Sends until it is refused: how many were acknowledged, and the refusal.
fn fill(client: &mut Client) -> (i64, (i32, String)) {
    for acknowledged in 0..(2 * DISK_BYTES) as i64 / BODY.len() as i64 {
        let answer = client.call(&send_v2(Encoding::Binary, 1, TOPIC, 0, &BODY));
        if answer.code != 0 {
            return (acknowledged, (answer.code, answer.remark));
        }
        assert_eq!(answer.number("queueOffset"), acknowledged);
    }
    panic!("twice as much as the disk has was taken");
}

fn read_all(client: &mut Client, messages: i64) {
    let mut next = 0;
    while next < messages {
        let answer = client.call(&pull(Encoding::Binary, 2, TOPIC, 0, next, 0));
        assert_eq!(answer.code, 0, "{} of {messages} could be read: {}", next, answer.remark);
        next = answer.number("nextBeginOffset");
    }
    assert_eq!(next, messages);
}
