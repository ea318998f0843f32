//! Listeners and streams.

super::on_both!(
    an_echo_is_pipelined_from_two_tasks,
    a_write_larger_than_every_buffer_waits_for_its_reader,
    many_small_parts_leave_in_order,
    closing_wakes_a_pending_read,
    closing_wakes_a_pending_write,
    dropping_a_stream_ends_it_for_the_peer,
    a_port_is_taken_unless_it_is_shared,
    nobody_listens,
);

mod bodies {
    use crate::runtime::{Lane, Listener, Stream, sleep, spawn, timeout};
    use std::{
        io::ErrorKind,
        net::{Ipv4Addr, SocketAddr},
        path::PathBuf,
        rc::Rc,
        time::Duration,
    };

    const SOON: Duration = Duration::from_secs(5);

    fn any_port() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 0).into()
    }

    /// Two connected ends.
    async fn pair() -> (Rc<Stream>, Rc<Stream>) {
        let listener = Listener::bind(any_port(), false).unwrap();
        let here = Stream::connect(listener.local_addr().unwrap(), SOON).await.unwrap();
        let there = listener.accept().await.unwrap();
        assert_eq!(here.peer_addr().unwrap(), listener.local_addr().unwrap());
        assert_eq!(there.peer_addr().unwrap(), here.local_addr().unwrap());
        (Rc::new(here), Rc::new(there))
    }

    async fn read_exactly(stream: &Stream, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while filled < len {
            let got = stream.read(&mut bytes[filled..]).await.unwrap();
            assert!(got > 0, "the stream ends after {filled} of {len} bytes");
            filled += got;
        }
        bytes
    }

    pub async fn an_echo_is_pipelined_from_two_tasks(_: PathBuf) {
        const ROUNDS: u32 = 200;
        let (client, server) = pair().await;
        let echo = spawn(Lane::Network, async move {
            let mut buffer = [0; 1000];
            loop {
                let got = server.read(&mut buffer).await.unwrap();
                if got == 0 {
                    return;
                }
                server.write_all(&buffer[..got]).await.unwrap();
            }
        });
        let writer = client.clone();
        let writing = spawn(Lane::Network, async move {
            for round in 0..ROUNDS {
                writer.write_vectored_all(&[&round.to_be_bytes(), &[], &[round as u8; 60]]).await.unwrap();
            }
        });
        for round in 0..ROUNDS {
            let frame = read_exactly(&client, 64).await;
            assert_eq!(frame[..4], round.to_be_bytes());
            assert_eq!(frame[63], round as u8);
        }
        writing.join().await;
        client.close();
        timeout(SOON, echo.join()).await.expect("the echo ends when its client closes");
    }

    pub async fn a_write_larger_than_every_buffer_waits_for_its_reader(_: PathBuf) {
        const LEN: usize = 8 << 20;
        let expected: Rc<Vec<u8>> = Rc::new((0..LEN / 1024).map(|block| [block as u8; 1024]).collect::<Vec<_>>().concat());
        let (client, server) = pair().await;
        let bytes = expected.clone();
        let writing = spawn(Lane::Network, async move {
            let (one, two) = bytes.split_at(LEN / 3);
            server.write_vectored_all(&[one, two]).await.unwrap();
        });
        sleep(Duration::from_millis(20)).await;
        assert!(read_exactly(&client, LEN).await == *expected);
        writing.join().await;
        let mut more = [0; 10];
        assert_eq!(client.read(&mut more).await.unwrap(), 0);
    }

    pub async fn many_small_parts_leave_in_order(_: PathBuf) {
        let (client, server) = pair().await;
        let bytes: Vec<u8> = (0..=255).cycle().take(3000).collect();
        let parts: Vec<&[u8]> = bytes.chunks(7).collect();
        server.write_vectored_all(&parts).await.unwrap();
        assert_eq!(read_exactly(&client, bytes.len()).await, bytes);
        server.write_vectored_all(&[]).await.unwrap();
        server.write_all(&[]).await.unwrap();
    }

    pub async fn closing_wakes_a_pending_read(_: PathBuf) {
        let (client, _server) = pair().await;
        let reader = client.clone();
        let reading = spawn(Lane::Network, async move {
            let mut buffer = [0; 10];
            // Nothing, or an error: both end a connection's task.
            assert_eq!(reader.read(&mut buffer).await.unwrap_or(0), 0);
        });
        sleep(Duration::from_millis(10)).await;
        client.close();
        timeout(SOON, reading.join()).await.expect("the read is woken");
        assert!(client.write_all(b"x").await.is_err());
        let mut buffer = [0; 10];
        assert_eq!(client.read(&mut buffer).await.unwrap_or(0), 0);
    }

    pub async fn closing_wakes_a_pending_write(_: PathBuf) {
        let (client, _server) = pair().await;
        let writer = client.clone();
        let writing = spawn(Lane::Network, async move {
            let large = vec![0; 32 << 20];
            assert!(writer.write_all(&large).await.is_err(), "nobody reads, and then the stream is closed");
        });
        sleep(Duration::from_millis(50)).await;
        client.close();
        timeout(SOON, writing.join()).await.expect("the write is woken");
    }

    pub async fn dropping_a_stream_ends_it_for_the_peer(_: PathBuf) {
        let (client, server) = pair().await;
        server.write_all(b"bye").await.unwrap();
        drop(server);
        assert_eq!(read_exactly(&client, 3).await, b"bye");
        let mut buffer = [0; 10];
        assert_eq!(timeout(SOON, client.read(&mut buffer)).await.expect("the end is seen").unwrap(), 0);
        let broken = async {
            while client.write_all(&[0; 1000]).await.is_ok() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(SOON, broken).await.expect("writing to nobody fails after a while");
    }

    pub async fn a_port_is_taken_unless_it_is_shared(_: PathBuf) {
        let alone = Listener::bind(any_port(), false).unwrap();
        for share in [false, true] {
            let second = Listener::bind(alone.local_addr().unwrap(), share);
            assert_eq!(second.map(drop).unwrap_err().kind(), ErrorKind::AddrInUse);
        }
        let shared = Listener::bind(any_port(), true).unwrap();
        let address = shared.local_addr().unwrap();
        let also = Listener::bind(address, true).unwrap();
        assert_eq!(Listener::bind(address, false).map(drop).unwrap_err().kind(), ErrorKind::AddrInUse);
        // A connection goes to one of the two.
        let _client = Stream::connect(address, SOON).await.unwrap();
        let one = timeout(Duration::from_millis(200), shared.accept()).await.is_some();
        let other = timeout(Duration::from_millis(200), also.accept()).await.is_some();
        assert!(one != other);
    }

    pub async fn nobody_listens(_: PathBuf) {
        let gone = Listener::bind(any_port(), false).unwrap().local_addr().unwrap();
        let refused = Stream::connect(gone, SOON).await;
        assert_eq!(refused.map(drop).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}
