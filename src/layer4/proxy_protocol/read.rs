//! Reading a header from a socket.

use std::io;

use tokio::io::AsyncReadExt;

use super::decode::{decode, length};
use super::{Header, Refused};
use crate::io::Socket;

/// The size of the first buffer. Every header without large TLVs is shorter, even one with two Unix paths.
const BUFFER_SIZE: usize = 512;

/// Why no header was read.
#[derive(Debug)]
pub enum Failure {
    /// The bytes are not a valid header.
    Refused(Refused),
    /// The connection ended before its first byte, as it does when someone checks whether the port is open.
    Closed,
    /// The connection has failed.
    Broken(io::Error),
}

/// Reads a header and not a byte beyond it, so that the next reader finds the rest on the socket.
///
/// Bytes are peeked at before they are consumed. Then either the header ends within them and exactly its part is consumed, or
/// they all belong to the header. A header that arrives in one segment takes two system calls.
///
/// # Errors
///
/// The header is invalid, or the connection has ended or failed.
pub async fn read(socket: &mut Socket) -> Result<Header, Failure> {
    socket.watch()?;
    let mut bytes = [0; BUFFER_SIZE];
    let mut have = 0;
    let whole = loop {
        let seen = socket.peek(&mut bytes[have..]).await?;
        if seen == 0 {
            return Err(if have == 0 { Failure::Closed } else { Failure::Refused(Refused::Truncated) });
        }
        let told = length(&bytes[..have + seen])?;
        let taken = told.map_or(seen, |whole| seen.min(whole - have));
        socket.read_exact(&mut bytes[have..have + taken]).await?;
        have += taken;
        match told {
            Some(whole) if whole == have => return Ok(decode(&bytes[..whole])?),
            // the header is larger than the first buffer
            Some(whole) if have == BUFFER_SIZE => break whole,
            _ => {}
        }
    };
    let mut large = bytes.to_vec();
    large.resize(whole, 0);
    match socket.read_exact(&mut large[have..]).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Failure::Refused(Refused::Truncated)),
        Err(error) => Err(Failure::Broken(error)),
        Ok(_) => Ok(decode(&large)?),
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream, UnixStream};

    use super::super::encode::encode;
    use super::super::tlv::Builder;
    use super::super::{Endpoints, Version};
    use super::*;

    const LINE: &[u8] = b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n";
    const BLOCK: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C\xC0\xA8\0\x01\xC0\xA8\0\x0B\xDC\x04\x01\xBB";

    async fn tcp() -> (Socket, Socket) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.set_nodelay(true).unwrap();
        (Socket::Tcp(listener.accept().await.unwrap().0), Socket::Tcp(client))
    }

    fn unix() -> (Socket, Socket) {
        let (server, client) = UnixStream::pair().unwrap();
        (Socket::Unix(server), Socket::Unix(client))
    }

    /// A block that does not fit into what is looked at first.
    fn large() -> Vec<u8> {
        let mut list = Builder::default();
        list.push(0xE0, &[7; 3000]);
        let mut header = decode(BLOCK).unwrap();
        header.tlvs = list.finish();
        encode(&header)
    }

    async fn rest(socket: &mut Socket) -> Vec<u8> {
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await.unwrap();
        rest
    }

    #[tokio::test]
    async fn what_follows_a_header_in_the_same_segment_stays_in_the_socket() {
        let large = large();
        for header in [LINE, b"PROXY UNKNOWN\r\n", BLOCK, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", &large] {
            for (mut server, mut client) in [tcp().await, unix()] {
                client.write_all(&[header, b"GET /\r\n"].concat()).await.unwrap();
                client.shutdown().await.unwrap();
                assert_eq!(read(&mut server).await.unwrap(), decode(header).unwrap());
                assert_eq!(rest(&mut server).await, b"GET /\r\n");
            }
        }
    }

    /// Whether the reader waits after what has come, without having gone round in the meantime.
    #[tokio::test]
    async fn a_header_that_comes_byte_by_byte_is_waited_for() {
        let large = large();
        for header in [LINE, BLOCK, &large] {
            for (mut server, mut client) in [tcp().await, unix()] {
                let read = {
                    let mut reading = pin!(read(&mut server));
                    for byte in header {
                        tokio::select! {
                            biased;
                            read = &mut reading => panic!("it is not whole yet: {read:?}"),
                            written = client.write_all(std::slice::from_ref(byte)) => written.unwrap(),
                        }
                    }
                    client.write_all(b"behind").await.unwrap();
                    reading.await.unwrap()
                };
                assert_eq!(read, decode(header).unwrap());
                client.shutdown().await.unwrap();
                assert_eq!(rest(&mut server).await, b"behind");
            }
        }
    }

    #[tokio::test]
    async fn an_end_within_a_header_is_a_truncation() {
        let large = large();
        for header in [LINE, BLOCK, &large] {
            for cut in [1, 14, header.len() / 2, header.len() - 1] {
                for (mut server, mut client) in [tcp().await, unix()] {
                    client.write_all(&header[..cut]).await.unwrap();
                    client.shutdown().await.unwrap();
                    let failure = read(&mut server).await.unwrap_err();
                    assert!(matches!(failure, Failure::Refused(Refused::Truncated)), "{cut}: {failure:?}");
                }
            }
        }
        let (mut server, client) = tcp().await;
        drop(client);
        assert!(matches!(read(&mut server).await, Err(Failure::Closed)));
    }

    /// The client keeps its side open: there is nothing to wait for.
    #[tokio::test]
    async fn what_can_be_no_header_is_refused_at_its_first_wrong_byte() {
        for bytes in [&b"G"[..], b"PROXY TCP4 1.2.3.4 x", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xFF\xFF", b"\x16"] {
            let (mut server, mut client) = tcp().await;
            client.write_all(bytes).await.unwrap();
            assert!(matches!(read(&mut server).await, Err(Failure::Refused(_))), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn a_line_for_an_unknown_family_keeps_nothing() {
        let (mut server, mut client) = unix();
        client.write_all(b"PROXY UNKNOWN and so on\r\n").await.unwrap();
        let header = read(&mut server).await.unwrap();
        assert_eq!(header, Header::new(Version::V1, Endpoints::Unknown));
    }
}
