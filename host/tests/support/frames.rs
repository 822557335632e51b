//! Frames of HTTP/2 by hand (RFC 9113 §4.1): what no library would send.

use super::{
    hub::Hub,
    socket::{Socket, host},
};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("small").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What a client says first, with these settings.
pub fn preface(settings: &[(u16, u32)]) -> Vec<u8> {
    let each = settings.iter().map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat());
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &each.collect::<Vec<_>>().concat())].concat()
}

/// A header field that is written out (RFC 7541 §6.2.2).
pub fn field(name: &str, value: &str) -> Vec<u8> {
    [&[0][..], &text(name), &text(value)].concat()
}

fn text(text: &str) -> Vec<u8> {
    let length = match text.len() {
        short @ 0..127 => vec![u8::try_from(short).expect("short")],
        long => {
            let (mut rest, mut bytes) = (long - 127, vec![127]);
            while rest >= 128 {
                bytes.push(u8::try_from(rest % 128).expect("small") | 128);
                rest /= 128;
            }
            bytes.push(u8::try_from(rest).expect("small"));
            bytes
        }
    };
    [&length[..], text.as_bytes()].concat()
}

/// The block of headers of a request.
pub fn request(hub: &Hub, method: &str, path: &str, token: &str) -> Vec<u8> {
    [
        field(":method", method),
        field(":scheme", "http"),
        field(":path", path),
        field(":authority", host(hub)),
        field("authorization", &format!("Bearer {token}")),
        field("content-type", "application/json"),
    ]
    .concat()
}

/// The frames in these bytes: kind, flags, stream, payload.
pub fn parse(bytes: &[u8]) -> Vec<(u8, u8, u32, Vec<u8>)> {
    let (mut rest, mut frames) = (bytes, vec![]);
    while rest.len() >= 9 {
        let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        if rest.len() < 9 + length {
            break;
        }
        let stream = u32::from_be_bytes([rest[5], rest[6], rest[7], rest[8]]);
        frames.push((rest[3], rest[4], stream, rest[9..9 + length].to_vec()));
        rest = &rest[9 + length..];
    }
    frames
}

/// A connection that has begun with the preface.
pub async fn open(hub: &Hub, settings: &[(u16, u32)]) -> Socket {
    let mut socket = Socket::open(hub).await;
    assert!(socket.send(preface(settings)).await);
    socket
}
