//! Files of a simulated process: the awaiting side of `disk`.

use super::super::{Buffer, Open};
use super::{
    context,
    disk::{Completion, Disk, Handle, Request},
    process::MachineId,
    trace::Event,
    world::Inner,
};
use std::{
    future::poll_fn,
    io,
    ops::Range,
    path::Path,
    rc::{Rc, Weak},
    task::Poll,
};

pub struct File {
    world: Weak<Inner>,
    machine: MachineId,
    handle: Handle,
    alignment: u32,
}

impl File {
    pub async fn open(path: &Path, how: Open, dsync: bool) -> io::Result<File> {
        let here = context::here();
        let machine = here.world.machine_of(here.process);
        pause(&here.world, machine).await;
        let now = here.world.wall(machine);
        let opened = here.world.with_disk(machine, |disk| Ok((disk.open(path, how, dsync, here.process, now)?, disk.sector)));
        let (handle, alignment) = opened.map_err(|error: io::Error| name_path(error, path))?;
        Ok(File { world: Rc::downgrade(&here.world), machine, handle, alignment })
    }

    pub fn alignment(&self) -> u32 {
        self.alignment
    }

    pub fn size(&self) -> io::Result<u64> {
        self.with_disk(|disk| disk.size(self.handle))
    }

    pub fn next_data(&self, pos: u64) -> io::Result<Option<u64>> {
        self.with_disk(|disk| disk.next_data(self.handle, pos))
    }

    pub async fn allocate(&self, len: u64) -> io::Result<()> {
        self.operate(Request::Allocate { len }).await.map(drop)
    }

    pub async fn write_range_at(&self, buffer: &Rc<Buffer>, range: Range<usize>, pos: u64) -> io::Result<()> {
        self.note(Event::Write, pos, range.len() as u64);
        self.operate(Request::Write { pos, buffer: buffer.clone(), range }).await.map(drop)
    }

    pub async fn read_at(&self, pos: u64, len: usize) -> io::Result<Buffer> {
        self.note(Event::Read, pos, len as u64);
        Ok(self.operate(Request::Read { pos, len }).await?.expect("a read that succeeds has a buffer"))
    }

    pub async fn sync(&self) -> io::Result<()> {
        self.note(Event::Sync, 0, 0);
        self.operate(Request::Sync).await.map(drop)
    }

    pub fn try_lock(&self) -> io::Result<bool> {
        self.with_disk(|disk| disk.try_lock(self.handle))
    }

    pub async fn close(self) -> io::Result<()> {
        if let Some(world) = self.world.upgrade() {
            pause(&world, self.machine).await;
        }
        Ok(())
    }

    fn with_disk<R>(&self, f: impl FnOnce(&mut Disk) -> io::Result<R>) -> io::Result<R> {
        self.world()?.with_disk(self.machine, f)
    }

    fn world(&self) -> io::Result<Rc<Inner>> {
        self.world.upgrade().ok_or_else(|| io::Error::other("the world has ended"))
    }

    fn note(&self, event: Event, one: u64, two: u64) {
        if let Some(world) = self.world.upgrade() {
            world.note(event, one, two);
        }
    }

    async fn operate(&self, request: Request) -> io::Result<Option<Buffer>> {
        let completion = Rc::<Completion>::default();
        let world = self.world()?;
        let (operation, at) = world.with_disk(self.machine, |disk| {
            disk.begin(self.handle, request, completion.clone(), world.clock.get(), &mut world.random.borrow_mut())
        })?;
        world.land_at(self.machine, operation, at);
        drop(world);
        poll_fn(|cx| match completion.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                completion.waker.replace(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if let Some(world) = self.world.upgrade() {
            world.with_disk(self.machine, |disk| disk.close(self.handle));
        }
    }
}

/// What a small operation on the disk takes.
pub async fn pause(world: &Rc<Inner>, machine: MachineId) {
    let latency = world.with_disk(machine, |disk| disk.faults.read_latency.clone());
    let takes = world.random.borrow_mut().duration(&latency);
    super::sleep(takes).await;
}

pub fn name_path(error: io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
