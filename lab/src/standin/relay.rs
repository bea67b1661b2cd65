//! A slow link on any host: a port of loopback that passes on to a node's ssh, late and slowly. What the kernel does to the
//! link itself is in `link`; one without netem gives it no latency.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::{StandIn, StandInError};

/// So much goes at a time, at most: about a packet.
const PACKET: usize = 1400;
/// What waits on either side of the link: a router keeps tens of packets, and not the megabytes of a socket on loopback.
const QUEUE: u32 = 32 * 1024;
/// How many packets may be under way.
const UNDER_WAY: usize = 4096;

/// A slow way to a node. It ends with this value, and with it what goes over it.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    leads_to: Arc<AtomicU16>,
    lines: [Arc<Line>; 2],
    serving: JoinHandle<()>,
}

/// One direction, which all connections share.
#[derive(Debug)]
struct Line {
    bytes_per_second: f64,
    latency: Duration,
    /// When what was sent so far will be on its way.
    free: Mutex<Instant>,
    carried: AtomicU64,
}

impl StandIn {
    /// A way to its ssh on which everything takes so much longer in each direction, and through which so many kilobits a
    /// second go. It is run by the runtime of the caller.
    pub fn relay(&self, latency: Duration, kilobits: u32) -> Result<Relay, StandInError> {
        Relay::to(self.port, latency, kilobits)
            .map_err(super::error::io("listen on a port of 127.0.0.1"))
    }
}

impl Relay {
    fn to(port: u16, latency: Duration, kilobits: u32) -> io::Result<Self> {
        let socket = small_socket()?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let listener = socket.listen(128)?;
        let line = || {
            Arc::new(Line {
                bytes_per_second: f64::from(kilobits.max(1)) * 1000.0 / 8.0,
                latency,
                free: Mutex::new(Instant::now()),
                carried: AtomicU64::new(0),
            })
        };
        let lines = [line(), line()];
        let leads_to = Arc::new(AtomicU16::new(port));
        Ok(Self {
            port: listener.local_addr()?.port(),
            serving: tokio::spawn(serve(listener, leads_to.clone(), lines.clone())),
            leads_to,
            lines,
        })
    }

    /// The port of 127.0.0.1, for ssh.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Leads to where the node is now: some engines give it another port when it boots.
    pub fn follow(&self, node: &StandIn) {
        self.leads_to.store(node.port, Ordering::Relaxed);
    }

    /// How many bytes have gone over it, to the node and from it.
    pub fn carried(&self) -> [u64; 2] {
        [0, 1].map(|line: usize| self.lines[line].carried.load(Ordering::Relaxed))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn small_socket() -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(QUEUE)?;
    socket.set_send_buffer_size(QUEUE)?;
    Ok(socket)
}

async fn serve(listener: TcpListener, leads_to: Arc<AtomicU16>, lines: [Arc<Line>; 2]) {
    // They end with this task.
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let port = leads_to.load(Ordering::Relaxed);
        connections.spawn(connection(near, port, lines.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// One that the node refuses is closed.
async fn connection(near: TcpStream, port: u16, [there, back]: [Arc<Line>; 2]) -> io::Result<()> {
    let far = small_socket()?
        .connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near, far) = (near.into_split(), far.into_split());
    tokio::join!(there.carry(near.0, far.1), back.carry(far.0, near.1));
    Ok(())
}

impl Line {
    /// Until one side has ended.
    async fn carry(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let (sender, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(UNDER_WAY);
        let leaves = async move {
            let mut packet = [0; PACKET];
            while let Ok(length @ 1..) = from.read(&mut packet).await {
                let gone = self.send(length);
                sleep_until(gone).await;
                let arrival = (gone + self.latency, packet[..length].to_vec());
                if sender.send(arrival).await.is_err() {
                    break;
                }
            }
        };
        let arrives = async move {
            while let Some((when, packet)) = under_way.recv().await {
                sleep_until(when).await;
                if to.write_all(&packet).await.is_err() {
                    break;
                }
            }
            // The end of what one side says goes on to the other; one that is gone does not hear it.
            to.shutdown().await.ok();
        };
        tokio::join!(leaves, arrives);
    }

    /// When the last of so many bytes will be on its way.
    fn send(&self, length: usize) -> Instant {
        self.carried.fetch_add(length as u64, Ordering::Relaxed);
        let takes = Duration::from_secs_f64(length as f64 / self.bytes_per_second);
        let mut free = self
            .free
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        *free = (*free).max(Instant::now()) + takes;
        *free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends so many bytes over such a link to somebody who sends them back.
    async fn there_and_back(latency_ms: u64, kilobits: u32, bytes: usize) -> (Duration, [u64; 2]) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let echo = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut from, mut to) = stream.split();
            tokio::io::copy(&mut from, &mut to).await.unwrap();
        });
        let relay = Relay::to(port, Duration::from_millis(latency_ms), kilobits).unwrap();
        let sent: Vec<u8> = (0..bytes).map(|byte| (byte % 251) as u8).collect();
        let mut stream = TcpStream::connect(("127.0.0.1", relay.port()))
            .await
            .unwrap();
        let began = Instant::now();
        let (mut from, mut to) = stream.split();
        let mut came = Vec::new();
        let (written, read) = tokio::join!(
            async {
                to.write_all(&sent).await?;
                to.shutdown().await
            },
            from.read_to_end(&mut came)
        );
        written.unwrap();
        read.unwrap();
        assert!(came == sent, "{} of {bytes} bytes came back", came.len());
        echo.await.unwrap();
        (began.elapsed(), relay.carried())
    }

    #[tokio::test]
    async fn it_takes_its_time_each_way_and_loses_nothing() {
        let (took, carried) = there_and_back(100, 1_000_000, 3).await;
        assert!(took >= Duration::from_millis(200), "{took:?}");
        assert_eq!(carried, [3, 3]);
    }

    #[tokio::test]
    async fn so_much_goes_through_and_no_more() {
        // 16 kB at 32 kB a second.
        let (took, carried) = there_and_back(0, 256, 16_000).await;
        assert!(took >= Duration::from_millis(500), "{took:?}");
        assert_eq!(carried, [16_000, 16_000]);
    }

    #[tokio::test]
    async fn a_node_that_refuses_is_no_end_of_it() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let relay = Relay::to(port, Duration::ZERO, 1000).unwrap();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(("127.0.0.1", relay.port()))
                .await
                .unwrap();
            // Closed, by an end or by a reset.
            assert!(!matches!(stream.read(&mut [0; 1]).await, Ok(1..)));
        }
    }
}
