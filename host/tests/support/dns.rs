//! A DNS server on loopback, over UDP and TCP on one port, that answers what a test tells it to and remembers what it was
//! asked. It has a thread of its own, so that it answers while a test waits.
//!
//! What a name has is written as words:
//!
//! | words | answer |
//! |---|---|
//! | `127.0.0.1 ::1` | these addresses, each to the question for its family |
//! | `127.0.0.1 then 10.0.0.1` | the first time this, from then on that, counted for each family apart |
//! | `cname=b.test` | an alias, without what it leads to |
//! | `cname=b.test 127.0.0.1` | an alias and, in the same answer, an address of that other name |
//! | `addresses=300` | so many addresses, 127.0.0.1 and up: too many for UDP |
//! | `empty`, `servfail`, `silent` | no records; an error of the server; no answer at all |
//! | `a=servfail`, `aaaa=silent` | the same for one family |
//!
//! A name that it was not told about does not exist.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// The most that one UDP answer holds (RFC 6891 asks for what fits into one packet).
const UDP_MAX: usize = 1232;
/// Aliases and addresses must not be kept: each question shall arrive.
const TTL: u32 = 0;

/// A running DNS server.
pub struct Dns {
    pub address: SocketAddr,
    zone: Arc<Zone>,
}

#[derive(Default)]
struct Zone {
    names: HashMap<String, Vec<String>>,
    asked: Mutex<Vec<Question>>,
}

/// A question that arrived: `A` or `AAAA`, and the name without the dot at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub name: String,
    pub family: RecordType,
    pub over_tcp: bool,
}

impl Dns {
    /// Serves names and what they have: see above.
    pub fn start<'a>(names: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut zone = Zone::default();
        for (name, words) in names {
            let steps: Vec<_> = words.split(" then ").map(str::to_owned).collect();
            for family in [RecordType::A, RecordType::AAAA] {
                // Fails here and now if a word means nothing.
                steps.iter().for_each(|step| drop(records(step, &Name::root(), family)));
            }
            assert!(zone.names.insert(name.to_owned(), steps).is_none(), "{name} is there twice");
        }
        let (udp, tcp) = sockets();
        let address = udp.local_addr().expect("an address");
        let zone = Arc::new(zone);
        let served = Arc::clone(&zone);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let (udp, tcp) = (UdpSocket::from_std(udp).expect("UDP"), TcpListener::from_std(tcp).expect("TCP"));
                tokio::join!(serve_udp(udp, Arc::clone(&served)), serve_tcp(tcp, served));
            });
        });
        Self { address, zone }
    }

    /// The config's section that has the hub ask this server.
    pub fn config(&self) -> String {
        format!("outbound: {{ dns_servers: ['{}'] }}\n", self.address)
    }

    /// Everything that it was asked so far.
    pub fn asked(&self) -> Vec<Question> {
        self.zone.asked.lock().expect("a lock").clone()
    }

    /// How often it was asked for the IPv4 addresses of a name.
    pub fn times_asked(&self, name: &str) -> usize {
        self.asked().iter().filter(|asked| asked.name == name && asked.family == RecordType::A).count()
    }
}

/// The same port for both protocols.
fn sockets() -> (std::net::UdpSocket, std::net::TcpListener) {
    for _ in 0..50 {
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        if let Ok(tcp) = std::net::TcpListener::bind(udp.local_addr().expect("an address")) {
            udp.set_nonblocking(true).expect("a socket");
            tcp.set_nonblocking(true).expect("a listener");
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

async fn serve_udp(socket: UdpSocket, zone: Arc<Zone>) {
    let mut buffer = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let Some(answer) = zone.answer(&buffer[..length], false) else { continue };
        let mut bytes = answer.to_vec().expect("an answer");
        if bytes.len() > UDP_MAX {
            bytes = answer.truncate().to_vec().expect("an answer");
        }
        let _ = socket.send_to(&bytes, from).await;
    }
}

async fn serve_tcp(listener: TcpListener, zone: Arc<Zone>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve_stream(stream, Arc::clone(&zone)));
    }
}

/// Each message has its length in front (RFC 1035, 4.2.2).
async fn serve_stream(mut stream: TcpStream, zone: Arc<Zone>) {
    while let Ok(length) = stream.read_u16().await {
        let mut question = vec![0; length.into()];
        if stream.read_exact(&mut question).await.is_err() {
            return;
        }
        let Some(answer) = zone.answer(&question, true) else { continue };
        let bytes = answer.to_vec().expect("an answer");
        let length = u16::try_from(bytes.len()).expect("it fits").to_be_bytes();
        if stream.write_all(&[&length[..], &bytes].concat()).await.is_err() {
            return;
        }
    }
}

impl Zone {
    fn answer(&self, question: &[u8], over_tcp: bool) -> Option<Message> {
        let question = Message::from_vec(question).ok()?;
        let query = question.queries.first()?.clone();
        let name = query.name().to_ascii().trim_end_matches('.').to_lowercase();
        let asked = Question { name, family: query.query_type(), over_tcp };
        let words = self.words_for(asked);
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.message_type = MessageType::Response;
        answer.metadata.recursion_desired = question.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.add_query(query.clone());
        let Some(words) = words else {
            answer.metadata.response_code = ResponseCode::NXDomain;
            return Some(answer);
        };
        let own = if query.query_type() == RecordType::A { "a=" } else { "aaaa=" };
        let says = |word: &str| words.split_whitespace().any(|one| one == word || one.strip_prefix(own) == Some(word));
        if says("silent") {
            return None;
        }
        if says("servfail") {
            answer.metadata.response_code = ResponseCode::ServFail;
        } else {
            answer.answers = records(&words, query.name(), query.query_type());
        }
        Some(answer)
    }

    /// What the name has this time.
    fn words_for(&self, asked: Question) -> Option<String> {
        let mut before = self.asked.lock().expect("a lock");
        // A question that is put again over TCP is the same one.
        let same = |other: &&Question| other.name == asked.name && other.family == asked.family && !other.over_tcp;
        let times = before.iter().filter(same).count() - usize::from(asked.over_tcp && before.iter().any(|o| same(&o)));
        let steps = self.names.get(&asked.name);
        before.push(asked);
        steps.map(|steps| steps.get(times).or(steps.last()).expect("a step").clone())
    }
}

/// The records for these words, in their order.
fn records(words: &str, asked: &Name, family: RecordType) -> Vec<Record> {
    let mut owner = asked.clone();
    let mut records = Vec::new();
    for word in words.split_whitespace() {
        match word.split_once('=') {
            Some(("cname", alias)) => {
                let target = Name::from_ascii(format!("{alias}.")).expect("a name");
                records.push(Record::from_rdata(owner, TTL, RData::CNAME(CNAME(target.clone()))));
                owner = target;
            }
            Some(("addresses", count)) if family == RecordType::A => {
                let count: u32 = count.parse().expect("a number");
                let nth = |n| RData::from(IpAddr::from(Ipv4Addr::from(0x7f00_0001 + n)));
                records.extend((0..count).map(|n| Record::from_rdata(owner.clone(), TTL, nth(n))));
            }
            None if !["empty", "servfail", "silent"].contains(&word) => {
                let address: IpAddr = word.parse().unwrap_or_else(|error| panic!("'{word}': {error}"));
                if address.is_ipv4() == (family == RecordType::A) {
                    records.push(Record::from_rdata(owner.clone(), TTL, address.into()));
                }
            }
            Some(("a" | "aaaa", "servfail" | "silent" | "empty") | ("addresses", _)) | None => {}
            Some(_) => panic!("'{word}' means nothing"),
        }
    }
    records
}
