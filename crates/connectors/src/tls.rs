//! Whom to trust on the way to a service: the system's certificates, those of a file where one is given, and this machine.

#[cfg(feature = "http")]
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "http")]
use rustls::CertificateError;
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;

/// Names of a certificate that a message shows.
#[cfg(feature = "http")]
const NAMES_SHOWN: usize = 5;

/// Whose certificate is good enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// One that somebody vouches for whom we trust, for this very name.
    Name,
    /// One that somebody vouches for whom we trust, for whatever name.
    #[cfg(feature = "postgres")]
    Issuer,
}

/// Sets up TLS that verifies always, and offers these protocols in their order.
///
/// Fails with a sentence that names the file, or says that the system has no certificates. `ca_flag` is where a user
/// names the file.
pub(crate) fn connector(
    ca_file: Option<&Path>,
    ca_flag: &str,
    trust: Trust,
    protocols: &[&str],
) -> Result<TlsConnector, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let extra = ca_file.map_or(Ok(Vec::new()), certificates)?;
    let verifier = Verifier::new_with_extra_roots(extra, Arc::clone(&provider))
        .map_err(|cause| format!("cannot set up TLS: {cause}; name certificates with {ca_flag}"))?;
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Name => Arc::new(verifier),
        #[cfg(feature = "postgres")]
        Trust::Issuer => Arc::new(any_name::AnyName(verifier)),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| format!("cannot set up TLS: {cause}"))?
        .dangerous() // What rustls calls any verifier but its own; this one verifies as the system does.
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Why the certificate of a service was refused, and what to do about it; `None` if something else was the matter. `ca_flag`
/// is where a user names a file of certificates.
#[cfg(feature = "http")]
pub(crate) fn refusal(cause: &io::Error, ca_flag: &str) -> Option<String> {
    use CertificateError as Why;
    let error = cause.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(why) = error else {
        return None;
    };
    Some(match why {
        Why::UnknownIssuer => format!(
            "its certificate is from an issuer that nobody here knows; to trust that one, name its certificate (PEM) with {ca_flag}"
        ),
        Why::BadSignature => format!(
            "its certificate is not from the issuer of that name that is trusted here; to trust its own, name it (PEM) with {ca_flag}"
        ),
        Why::Expired | Why::ExpiredContext { .. } => {
            "its certificate has expired; it needs a new one, unless the clock of this machine is wrong".into()
        }
        Why::NotValidYet | Why::NotValidYetContext { .. } => {
            "its certificate is not valid yet; is the clock of this machine right?".into()
        }
        Why::NotValidForName => "its certificate is for another name".into(),
        Why::NotValidForNameContext { presented, .. } => format!(
            "its certificate is for other names: {}; use one of them in the address",
            presented[..presented.len().min(NAMES_SHOWN)].join(", ")
        ),
        Why::Revoked => "its certificate was revoked; it needs a new one".into(),
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is that of a CA, which may not be a server's own; \
             make one for the server, with basicConstraints=critical,CA:FALSE"
                .into()
        }
        other => format!("its certificate is refused: {other}"),
    })
}

/// Whether a host is this machine, so that nobody listens on the way.
pub(crate) fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let fail = |cause| format!("cannot read certificates from {}: {cause}", path.display());
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|cause| fail(cause.to_string()))?;
    if found.is_empty() {
        return Err(fail("it holds none in PEM form".into()));
    }
    Ok(found)
}

#[cfg(feature = "postgres")]
mod any_name {
    //! Verifies as the system does, but for the name: that of a database is often not the one it is reached by.

    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
    use rustls_platform_verifier::Verifier;

    #[derive(Debug)]
    pub(super) struct AnyName(pub(super) Verifier);

    impl ServerCertVerifier for AnyName {
        fn verify_server_cert(
            &self,
            certificate: &CertificateDer<'_>,
            chain: &[CertificateDer<'_>],
            name: &ServerName<'_>,
            ocsp: &[u8],
            now: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            use CertificateError::{NotValidForName, NotValidForNameContext};
            match self
                .0
                .verify_server_cert(certificate, chain, name, ocsp, now)
            {
                // Looked at last, when all else was found good.
                Err(Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                    Ok(ServerCertVerified::assertion())
                }
                other => other,
            }
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.0
                .verify_tls12_signature(message, certificate, signature)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            self.0
                .verify_tls13_signature(message, certificate, signature)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.supported_verify_schemes()
        }
    }
}
