//! Files and their names.

super::on_both!(
    what_was_written_is_read,
    reads_end_where_the_file_ends,
    what_is_not_zero_is_never_passed_over,
    misaligned_access_is_an_error,
    a_locked_file_is_locked_for_everyone_else,
    opening_says_what_is_wrong,
    names_change,
    a_small_file_is_replaced_whole,
    a_large_file_has_its_name_when_it_is_complete,
    many_writes_overlap,
);

mod bodies {
    use crate::log::SyncMethod;
    use crate::runtime::{Buffer, File, Lane, NewFile, Open, fs, now, spawn};
    use std::{
        io::ErrorKind,
        path::{Path, PathBuf},
        rc::Rc,
    };

    fn filled(len: usize, byte: u8) -> Rc<Buffer> {
        let mut buffer = Buffer::new(len);
        buffer.as_mut_slice().fill(byte);
        Rc::new(buffer)
    }

    async fn create(folder: &Path, name: &str) -> File {
        fs::create_dir_all(folder).unwrap();
        File::open(&folder.join(name), Open::CreateNew).await.unwrap()
    }

    pub async fn what_was_written_is_read(folder: PathBuf) {
        let file = create(&folder, "f").await;
        assert!(file.alignment() >= 512);
        file.allocate(1 << 20).await.unwrap();
        assert_eq!(file.size().await.unwrap(), 1 << 20);
        file.write_at(&filled(8192, 1), 4096).await.unwrap();
        // A part of a buffer, and a buffer that was made shorter.
        file.write_range_at(&filled(12288, 2), 4096..8192, 16384).await.unwrap();
        let mut short = Buffer::new(8192);
        short.as_mut_slice().fill(3);
        short.truncate(4096);
        file.write_at(&Rc::new(short), 20480).await.unwrap();
        file.sync().await.unwrap();
        let read = file.read_at(0, 28672).await.unwrap();
        let pages: Vec<u8> = read.as_slice().iter().step_by(4096).copied().collect();
        assert_eq!(pages, [0, 1, 1, 0, 2, 3, 0]);
        file.close().await.unwrap();

        let again = File::open(&folder.join("f"), Open::Read).await.unwrap();
        let mut page = again.read_at(4096, 4096).await.unwrap();
        assert_eq!(page.as_slice(), filled(4096, 1).as_slice());
        page.as_mut_slice()[0] = 9;
        assert_eq!(page.as_slice()[..2], [9, 1]);
        let durable = File::open_for(&folder.join("f"), Open::ReadWrite, SyncMethod::Dsync).await.unwrap();
        durable.write_at(&filled(4096, 4), 0).await.unwrap();
        assert_eq!(again.read_at(0, 4096).await.unwrap().as_slice()[0], 4);
    }

    pub async fn what_is_not_zero_is_never_passed_over(folder: PathBuf) {
        let file = create(&folder, "f").await;
        file.allocate(16 << 20).await.unwrap();
        for at in [4 << 20, 9 << 20] {
            file.write_at(&filled(4096, 1), at).await.unwrap();
            file.write_at(&filled(4096, 0), at + 4096).await.unwrap();
        }
        for (from, latest) in [(0, 4 << 20), (4 << 20, 4 << 20), ((4 << 20) + 4096, 9 << 20), (5 << 20, 9 << 20)] {
            let found = file.next_data(from).unwrap();
            assert!(found.is_some_and(|found| (from..=latest).contains(&found)), "from {from}: {found:?}");
        }
        assert!(file.next_data(10 << 20).unwrap().is_none_or(|found| found >= 10 << 20));
    }

    pub async fn reads_end_where_the_file_ends(folder: PathBuf) {
        let file = create(&folder, "f").await;
        file.write_at(&filled(8192, 5), 0).await.unwrap();
        assert_eq!(file.read_at(4096, 16384).await.unwrap().len(), 4096);
        assert!(file.read_at(8192, 4096).await.unwrap().is_empty());
        assert!(file.read_at(1 << 30, 4096).await.unwrap().is_empty());
    }

    pub async fn misaligned_access_is_an_error(folder: PathBuf) {
        let file = create(&folder, "f").await;
        let buffer = filled(8192, 1);
        for result in [
            file.write_at(&buffer, 100).await,
            file.write_range_at(&buffer, 0..100, 0).await,
            file.read_at(7, 4096).await.map(drop),
            file.read_at(0, 7).await.map(drop),
        ] {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
    }

    pub async fn a_locked_file_is_locked_for_everyone_else(folder: PathBuf) {
        let one = create(&folder, "f").await;
        let two = File::open(&folder.join("f"), Open::ReadWrite).await.unwrap();
        assert!(one.try_lock().unwrap());
        assert!(one.try_lock().unwrap());
        assert!(!two.try_lock().unwrap());
        one.close().await.unwrap();
        assert!(two.try_lock().unwrap());
    }

    pub async fn opening_says_what_is_wrong(folder: PathBuf) {
        drop(create(&folder, "there").await);
        let kind = |result: std::io::Result<File>| result.map(drop).unwrap_err().kind();
        assert_eq!(kind(File::open(&folder.join("missing"), Open::Read).await), ErrorKind::NotFound);
        assert_eq!(kind(File::open(&folder.join("missing/x"), Open::CreateNew).await), ErrorKind::NotFound);
        assert_eq!(kind(File::open(&folder.join("there"), Open::CreateNew).await), ErrorKind::AlreadyExists);
        let readable = File::open(&folder.join("there"), Open::Read).await.unwrap();
        assert!(readable.write_at(&filled(4096, 1), 0).await.is_err());
    }

    pub async fn names_change(folder: PathBuf) {
        let before = now();
        drop(create(&folder, "b").await);
        drop(create(&folder, "a").await);
        fs::sync_dir(&folder).await.unwrap();
        assert_eq!(fs::list(&folder).unwrap(), ["a", "b"]);
        fs::rename(&folder.join("a"), &folder.join("c")).unwrap();
        assert_eq!(fs::list(&folder).unwrap(), ["b", "c"]);
        // File systems count time in ticks that may be some milliseconds behind.
        assert!(fs::modified(&folder.join("c")).unwrap().0 >= before.0 - 20);
        fs::remove(&folder.join("b")).unwrap();
        assert!(!fs::exists(&folder.join("b")));
        assert!(fs::exists(&folder.join("c")));
        assert!(fs::exists(&folder));
        assert_eq!(fs::remove(&folder.join("b")).unwrap_err().kind(), ErrorKind::NotFound);
        let usage = fs::usage(&folder).unwrap();
        assert!(usage.available > 0);
        assert!(usage.available <= usage.total);
    }

    pub async fn a_small_file_is_replaced_whole(folder: PathBuf) {
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("snapshot");
        assert_eq!(fs::read(&path).await.unwrap_err().kind(), ErrorKind::NotFound);
        fs::write_durable(&path, b"a longer first one".to_vec()).await.unwrap();
        fs::write_durable(&path, b"second".to_vec()).await.unwrap();
        assert_eq!(fs::read(&path).await.unwrap(), b"second");
        assert_eq!(fs::list(&folder).unwrap(), ["snapshot"]);
    }

    pub async fn a_large_file_has_its_name_when_it_is_complete(folder: PathBuf) {
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("index");
        for attempt in [1, 2u8] {
            // What an attempt that was broken off has left behind is in nobody's way.
            let mut broken = NewFile::create(&path).await.unwrap();
            broken.append(&[9; 16384]).await.unwrap();
            drop(broken);
            let mut file = NewFile::create(&path).await.unwrap();
            file.append(&[attempt; 8192]).await.unwrap();
            file.append(&[attempt + 10; 4096]).await.unwrap();
            let before = fs::read(&path).await.ok();
            assert_eq!(before.map(|bytes| bytes[0]), (attempt == 2).then_some(1));
            file.publish().await.unwrap();
            let bytes = fs::read(&path).await.unwrap();
            assert_eq!((bytes.len(), bytes[0], bytes[8191], bytes[8192]), (12288, attempt, attempt, attempt + 10));
            assert_eq!(fs::list(&folder).unwrap(), ["index"]);
        }
    }

    pub async fn many_writes_overlap(folder: PathBuf) {
        let file = Rc::new(create(&folder, "f").await);
        let writers: Vec<_> = (0..32u8)
            .map(|number| {
                let file = file.clone();
                spawn(Lane::Commit, async move {
                    file.write_at(&filled(4096, number), u64::from(number) * 4096).await.unwrap();
                    file.sync().await.unwrap();
                })
            })
            .collect();
        for writer in writers {
            writer.join().await;
        }
        let read = file.read_at(0, 32 * 4096).await.unwrap();
        assert!(read.as_slice().iter().enumerate().all(|(index, byte)| usize::from(*byte) == index / 4096));
    }
}
