//! A network that fails when told: hands bytes on between a client and a server, and delays, stalls or cuts at random
//! bytes.
//!
//! It knows nothing of what it carries. A seed says what happens to the bytes of each connection; when the bytes of a
//! connection come is for the system, so a seed is a kind of weather rather than a script.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

/// What a network does to a connection. All of it is off by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Network {
    /// Cuts a connection after so many bytes in either direction, on average; 0 is never.
    pub cut_bytes: u64,
    /// Holds up what comes after so many bytes, on average, for [`Network::delay`] at most; 0 is never.
    pub delay_bytes: u64,
    /// The longest delay.
    pub delay: Duration,
    /// Lets nothing more through after so many bytes, on average, though the connection stays open; 0 is never.
    pub stall_bytes: u64,
    /// Where chance begins.
    pub seed: u64,
}

/// What a network has done so far.
#[derive(Debug, Default)]
struct Done {
    cuts: AtomicU64,
    delays: AtomicU64,
    stalls: AtomicU64,
}

/// A port of this machine that leads to another one, over a network like that. Closed when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
    /// Takes connections; joined on drop.
    listener: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    network: Network,
    /// Whether new connections fail.
    is_failing: AtomicBool,
    is_closed: AtomicBool,
    done: Done,
}

impl Proxy {
    /// Leads to this port of the same machine.
    ///
    /// # Panics
    /// When the system has no port or thread to give.
    pub fn to(port: u16, network: Network) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let state = Arc::new(State {
            target: SocketAddr::from(([127, 0, 0, 1], port)),
            network,
            is_failing: AtomicBool::new(true),
            is_closed: AtomicBool::new(false),
            done: Done::default(),
        });
        Proxy {
            port: listener.local_addr().expect("it is bound").port(),
            listener: Some(thread::spawn({
                let state = Arc::clone(&state);
                move || state.listen(&listener)
            })),
            state,
        }
    }

    /// Where it listens, on this machine.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether connections that begin from now on fail; else all there is to them is handed on. It begins with those that do.
    pub fn fails(&self, is_failing: bool) {
        self.state.is_failing.store(is_failing, Ordering::Relaxed);
    }

    /// How often it has cut, delayed and stalled so far.
    pub fn done(&self) -> (u64, u64, u64) {
        let Done {
            cuts,
            delays,
            stalls,
        } = &self.state.done;
        let [cuts, delays, stalls] =
            [cuts, delays, stalls].map(|count| count.load(Ordering::Relaxed));
        (cuts, delays, stalls)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.is_closed.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees that it is to end.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

impl State {
    fn listen(self: &Arc<State>, listener: &TcpListener) {
        let mut random = fastrand::Rng::with_seed(self.network.seed);
        for client in listener.incoming() {
            if self.is_closed.load(Ordering::Relaxed) {
                return;
            }
            // A server that is away refuses, and so does the network: the client sees its connection closed.
            if let Ok(client) = client
                && let Ok(server) = TcpStream::connect(self.target)
            {
                self.carry(&client, &server, random.fork());
            }
        }
    }

    /// Hands on in both directions, until one of them ends. The threads end with the connection.
    fn carry(self: &Arc<State>, client: &TcpStream, server: &TcpStream, mut random: fastrand::Rng) {
        for (from, to) in [(client, server), (server, client)] {
            let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else {
                return;
            };
            let _ = to.set_nodelay(true);
            let state = Arc::clone(self);
            let fate = match self.is_failing.load(Ordering::Relaxed) {
                true => Fate::new(self.network, random.fork()),
                false => Fate::new(Network::default(), random.fork()),
            };
            thread::spawn(move || {
                if let Ok(Ended::AtItsEnd) = state.hand_on(&from, &to, fate) {
                    // The other direction may have more to say.
                    let _ = to.shutdown(Shutdown::Write);
                } else {
                    let _ = from.shutdown(Shutdown::Both);
                    let _ = to.shutdown(Shutdown::Both);
                }
            });
        }
    }

    fn hand_on(
        &self,
        mut from: &TcpStream,
        mut to: &TcpStream,
        mut fate: Fate,
    ) -> std::io::Result<Ended> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = from.read(&mut buffer)?;
            if count == 0 {
                return Ok(Ended::AtItsEnd);
            }
            let mut rest = &buffer[..count];
            while !rest.is_empty() {
                let (piece, event) = fate.next(rest.len());
                to.write_all(&rest[..piece])?;
                rest = &rest[piece..];
                match event {
                    None => {}
                    Some(Event::Cut) => {
                        self.done.cuts.fetch_add(1, Ordering::Relaxed);
                        return Ok(Ended::Cut);
                    }
                    Some(Event::Delay(time)) => {
                        self.done.delays.fetch_add(1, Ordering::Relaxed);
                        sleep(time);
                    }
                    Some(Event::Stall) => {
                        self.done.stalls.fetch_add(1, Ordering::Relaxed);
                        // Until whoever waits at the other end gives up.
                        while from.read(&mut buffer)? > 0 {}
                        return Ok(Ended::Cut);
                    }
                }
            }
        }
    }
}

/// How one direction of a connection came to its end.
enum Ended {
    AtItsEnd,
    Cut,
}

/// What will happen to one direction of a connection, byte by byte.
struct Fate {
    random: fastrand::Rng,
    network: Network,
    /// Bytes until each of the three.
    cut: u64,
    delay: u64,
    stall: u64,
}

enum Event {
    Cut,
    Delay(Duration),
    Stall,
}

impl Fate {
    fn new(network: Network, mut random: fastrand::Rng) -> Fate {
        let Network {
            cut_bytes,
            delay_bytes,
            stall_bytes,
            ..
        } = network;
        let [cut, delay, stall] =
            [cut_bytes, delay_bytes, stall_bytes].map(|mean| until(mean, &mut random));
        Fate {
            random,
            network,
            cut,
            delay,
            stall,
        }
    }

    /// How many of so many bytes pass now, and what happens after them.
    fn next(&mut self, count: usize) -> (usize, Option<Event>) {
        let soonest = self.cut.min(self.delay).min(self.stall);
        if count as u64 <= soonest {
            self.pass(count as u64);
            return (count, None);
        }
        self.pass(soonest);
        let event = if self.cut == 0 {
            Event::Cut
        } else if self.stall == 0 {
            Event::Stall
        } else {
            self.delay = until(self.network.delay_bytes, &mut self.random);
            Event::Delay(self.network.delay.mul_f64(self.random.f64()))
        };
        (soonest as usize, Some(event))
    }

    fn pass(&mut self, count: u64) {
        for left in [&mut self.cut, &mut self.delay, &mut self.stall] {
            *left = left.saturating_sub(count);
        }
    }
}

/// Bytes until something happens that happens once in so many; early more often than late, so that beginnings are tried.
fn until(mean: u64, random: &mut fastrand::Rng) -> u64 {
    match mean {
        0 => u64::MAX,
        mean => (-(1.0 - random.f64()).ln() * mean as f64) as u64 + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets.
    fn echo() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                thread::spawn(move || std::io::copy(&mut client.try_clone().unwrap(), &mut client));
            }
        });
        port
    }

    /// What comes back of so many bytes.
    fn sent_through(proxy: &Proxy, count: usize) -> Vec<u8> {
        let stream = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        let mut writer = stream.try_clone().unwrap();
        let sent: Vec<u8> = (0..count).map(|n| n as u8).collect();
        let writing = thread::spawn(move || {
            let _ = writer.write_all(&sent);
            let _ = writer.shutdown(Shutdown::Write);
        });
        let mut back = Vec::new();
        let _ = (&stream).take(count as u64).read_to_end(&mut back);
        drop(stream);
        writing.join().unwrap();
        back
    }

    #[test]
    fn a_good_network_hands_on_every_byte() {
        let proxy = Proxy::to(echo(), Network::default());
        let back = sent_through(&proxy, 100_000);
        assert!(back.into_iter().eq((0..100_000).map(|n| n as u8)));
        assert_eq!(proxy.done(), (0, 0, 0));
    }

    #[test]
    fn a_bad_network_cuts_and_delays_and_changes_nothing_before() {
        let network = Network {
            cut_bytes: 20_000,
            delay_bytes: 5_000,
            delay: Duration::from_millis(2),
            seed: 1,
            ..Network::default()
        };
        let proxy = Proxy::to(echo(), network);
        for _ in 0..20 {
            let back = sent_through(&proxy, 100_000);
            assert!(back.iter().copied().eq((0..back.len()).map(|n| n as u8)));
        }
        let (cuts, delays, stalls) = proxy.done();
        assert!(cuts > 10 && delays > 10 && stalls == 0);
    }
}
