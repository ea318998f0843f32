//! placeholder
use std::{future::Future, io, net::SocketAddr, path::Path, time::Duration};
use crate::types::Millis;
use super::Open;
pub struct Task;
impl Task { pub fn cancel(self) {} pub async fn join(self) {} }
pub fn spawn(_f: impl Future<Output = ()> + 'static) -> Task { panic!() }
pub fn now() -> Millis { panic!() }
pub fn uptime() -> Duration { panic!() }
pub fn random() -> u64 { panic!() }
pub async fn sleep(_d: Duration) { panic!() }
pub async fn yield_now() { panic!() }
pub struct File;
impl File {
    pub async fn open(_p: &Path, _h: Open) -> io::Result<File> { panic!() }
    pub fn alignment(&self) -> u32 { panic!() }
    pub async fn size(&self) -> io::Result<u64> { panic!() }
    pub async fn allocate(&self, _l: u64) -> io::Result<()> { panic!() }
    pub async fn write_at(&self, _b: &[u8], _p: u64) -> io::Result<()> { panic!() }
    pub async fn read_at(&self, _p: u64, _l: usize) -> io::Result<Vec<u8>> { panic!() }
    pub async fn sync(&self) -> io::Result<()> { panic!() }
    pub fn try_lock(&self) -> io::Result<bool> { panic!() }
    pub async fn close(self) -> io::Result<()> { panic!() }
}
pub struct Listener; pub struct Stream;
impl Listener { pub fn bind(_a: SocketAddr, _s: bool) -> io::Result<Listener> { panic!() } pub async fn accept(&self) -> io::Result<Stream> { panic!() } pub fn local_addr(&self) -> SocketAddr { panic!() } }
impl Stream { pub async fn connect(_a: SocketAddr, _l: Duration) -> io::Result<Stream> { panic!() } pub fn peer_addr(&self) -> SocketAddr { panic!() } pub fn local_addr(&self) -> SocketAddr { panic!() }
 pub async fn read(&self, _b: &mut [u8]) -> io::Result<usize> { panic!() } pub async fn write_all(&self, _b: &[u8]) -> io::Result<()> { panic!() } pub fn close(&self) {} }
pub mod channel {
    use std::marker::PhantomData;
    pub struct Outlet<T>(PhantomData<T>); pub struct Inlet<T>(PhantomData<T>); pub struct Sender<T>(PhantomData<T>); pub struct Receiver<T>(PhantomData<T>);
    pub fn channel<T>(_c: usize) -> (Outlet<T>, Inlet<T>) { (Outlet(PhantomData), Inlet(PhantomData)) }
    impl<T> Outlet<T> { pub async fn connect(self) -> Sender<T> { panic!() } }
    impl<T> Inlet<T> { pub async fn connect(self) -> Receiver<T> { panic!() } }
    impl<T> Sender<T> { pub fn try_send(&self, _t: T) -> Result<(), T> { panic!() } pub async fn send(&self, _t: T) -> Result<(), T> { panic!() } }
    impl<T> Receiver<T> { pub async fn recv(&self) -> Option<T> { panic!() } }
}
pub mod fs {
    use std::{io, path::Path}; use crate::types::Millis; use super::super::fs::Usage;
    pub fn create_dir_all(_p: &Path) -> io::Result<()> { panic!() } pub fn list(_p: &Path) -> io::Result<Vec<String>> { panic!() } pub fn rename(_a: &Path, _b: &Path) -> io::Result<()> { panic!() }
    pub fn remove(_p: &Path) -> io::Result<()> { panic!() } pub fn sync_dir(_p: &Path) -> io::Result<()> { panic!() } pub fn exists(_p: &Path) -> bool { panic!() } pub fn usage(_p: &Path) -> io::Result<Usage> { panic!() } pub fn modified(_p: &Path) -> io::Result<Millis> { panic!() }
}
