//! TLS as TDS 7 has it: the handshake travels in PRELOGIN packets (MS-TDS 2.2.6.5), what follows
//! does not. With certificates of the tests' own.

use std::pin::Pin;

use futures_util::FutureExt as _;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{Ssl, SslAcceptor, SslMethod, SslVersion};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio_openssl::SslStream;

use super::wire::{self, Line};

/// Room between the line and TLS.
const BUFFER_BYTES: usize = 65_536;

/// A certificate and its key.
pub struct Identity {
    certificate: X509,
    key: PKey<Private>,
}

impl Identity {
    /// An authority.
    pub fn authority() -> Self {
        Self::new("an authority", None, None)
    }

    /// A host, of the authority.
    pub fn host(&self, name: &str) -> Self {
        Self::new(name, Some(name), Some(self))
    }

    /// The certificate, as a file has it.
    pub fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().unwrap()
    }

    fn new(name: &str, host: Option<&str>, authority: Option<&Self>) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut subject = X509NameBuilder::new().unwrap();
        subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
        let subject = subject.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        let serial = BigNum::from_u32(rand::random()).unwrap().to_asn1_integer().unwrap();
        builder.set_serial_number(&serial).unwrap();
        builder.set_subject_name(&subject).unwrap();
        let issuer = authority.map_or(&*subject, |one| one.certificate.subject_name());
        builder.set_issuer_name(issuer).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
        if authority.is_none() {
            let extension = BasicConstraints::new().critical().ca().build().unwrap();
            builder.append_extension(extension).unwrap();
        }
        if let Some(host) = host {
            let names = SubjectAlternativeName::new()
                .dns(host)
                .build(&builder.x509v3_context(None, None))
                .unwrap();
            builder.append_extension(names).unwrap();
        }
        let signer = authority.map_or(&key, |one| &one.key);
        builder.sign(signer, MessageDigest::sha256()).unwrap();
        Self { certificate: builder.build(), key }
    }
}

/// Shakes hands; `None` if the client does not want to.
pub async fn accept(
    mut line: Box<dyn Line>,
    identity: &Identity,
) -> Option<SslStream<DuplexStream>> {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_certificate(&identity.certificate).unwrap();
    acceptor.set_private_key(&identity.key).unwrap();
    // In 1.3 the server goes on after its part of the handshake, which packets cannot carry.
    acceptor.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
    let ssl = Ssl::new(acceptor.build().context()).unwrap();
    let (inner, mut outer) = tokio::io::duplex(BUFFER_BYTES);
    let mut stream = SslStream::new(ssl, inner).unwrap();
    {
        let (mut from_client, mut to_client) = tokio::io::split(&mut line);
        let (mut from_tls, mut to_tls) = tokio::io::split(&mut outer);
        let inbound = async {
            while let Some(packet) = wire::read(&mut from_client).await {
                to_tls.write_all(&packet.payload).await.ok()?;
            }
            Some(())
        };
        let outbound = envelope(&mut from_tls, &mut to_client);
        let accepting = Pin::new(&mut stream).accept();
        tokio::select! {
            biased;
            _ = outbound => return None,
            _ = inbound => return None,
            accepted = accepting => accepted.ok()?,
        }
    }
    // What TLS said last is on its way.
    let _ = envelope(&mut outer, &mut line).now_or_never();
    #[expect(clippy::disallowed_methods, reason = "it ends with either side of the line")]
    tokio::spawn(async move {
        // It ends with either side.
        let _ = tokio::io::copy_bidirectional(&mut line, &mut outer).await;
    });
    Some(stream)
}

/// Puts what TLS says into packets, until it says no more.
async fn envelope(
    from_tls: &mut (impl AsyncRead + Unpin),
    to_client: &mut (impl AsyncWrite + Unpin),
) -> Option<()> {
    let mut buffer = vec![0; wire::PACKET_BYTES - wire::HEADER_BYTES];
    loop {
        let length = from_tls.read(&mut buffer).await.ok().filter(|length| *length > 0)?;
        wire::send(to_client, &wire::message(wire::PRELOGIN, &buffer[..length])).await?;
    }
}
