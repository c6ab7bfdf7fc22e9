//! Encrypted connections: whom to believe.

use std::fs;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
};

use super::server::{Server, TlsMode};
use crate::error::{Error, Failure, Result};

/// The configuration of connections to `server`.
pub fn client(server: &Server, place: &str) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| Error::Unreachable {
        action: "encrypt the connection to",
        place: place.to_owned(),
        failure: Failure::Lasting,
        source,
    };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.into()))?;
    let verifier: Arc<dyn ServerCertVerifier> = match server.tls {
        TlsMode::Disable | TlsMode::Prefer => Arc::new(AnyName { inner: None, provider }),
        mode => {
            let roots = Arc::new(roots(server)?);
            let inner = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                .build()
                .map_err(|error| failed(error.into()))?;
            match mode {
                TlsMode::VerifyCa => Arc::new(AnyName { inner: Some(inner), provider }),
                _ => inner,
            }
        }
    };
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// The certificates of `sslrootcert`, or else those that the system trusts.
fn roots(server: &Server) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    let Some(path) = &server.root_certificates else {
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(store);
    };
    let text = fs::read(path).map_err(Error::io("read", path))?;
    let bad = |why: &str| Error::invalid("file of certificates", path.display().to_string(), why);
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|_| bad("it is not PEM"))?;
        store.add(certificate).map_err(|_| bad("it holds no certificate of an authority"))?;
    }
    if store.is_empty() {
        return Err(bad("it holds no certificate"));
    }
    Ok(store)
}

/// Checks everything but the name, or, without `inner`, nothing but that the other side has the key
/// of the certificate it shows.
#[derive(Debug)]
struct AnyName {
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, TlsError> {
        let Some(inner) = &self.inner else { return Ok(ServerCertVerified::assertion()) };
        match inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            said => said,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
