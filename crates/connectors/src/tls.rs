//! Whom to trust on the way to a service: the system's certificates, those of a file where one is given, and this machine.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;

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
