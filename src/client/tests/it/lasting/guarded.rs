//! Where the client connects to, and whom it believes there.

use super::server::{Place, config, stands, start};
use crate::support::{Peer, call, respond, until};
use mcp_client::{
    Check, ClientConfig, ConfigError, ErrorKind, Guard, Options, Ran, Secret, State, Target, Terms,
};
use rcgen::{CertifiedKey, KeyPair};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

/// Takes TLS off before a server, with a certificate of its own making for `localhost`.
struct Front {
    port: u16,
    pem: String,
    accepted: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Front {
    async fn before(server: SocketAddr) -> Self {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(KeyPair::serialize_der(&signing_key)).expect("a key");
        let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("they belong together");
        let tls = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (accepted, mut tasks) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
        let count = Arc::clone(&accepted);
        tasks.spawn(async move {
            let mut pipes = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let tls = tls.clone();
                pipes.spawn(async move {
                    let Ok(mut socket) = tls.accept(socket).await else { return };
                    let Ok(mut server) = TcpStream::connect(server).await else { return };
                    let _ended = copy_bidirectional(&mut socket, &mut server).await.is_ok();
                });
            }
        });
        Self { port, pem: cert.pem(), accepted, _tasks: tasks }
    }

    fn config(&self, place: &Place, guard: Guard) -> ClientConfig {
        self.config_of("https", place, guard)
    }

    fn config_of(&self, scheme: &str, place: &Place, guard: Guard) -> ClientConfig {
        let url = format!("{scheme}://localhost:{}/mcp", self.port);
        let target = Target::url(&url, BTreeMap::new()).expect("a URL");
        let config = config(place);
        ClientConfig { target, options: Options { guard, ..config.options.clone() }, ..config }
    }
}

#[tokio::test]
async fn a_certificate_is_believed_only_if_its_authority_is() {
    let mut place = Place::new();
    place.up().await;
    let front = Front::before(place.address()).await;
    let (strict, _) = start(front.config(&place, Guard::default()));
    until("it does not believe it", || {
        strict.trouble().is_some_and(|why| why.kind() == ErrorKind::Tls)
    })
    .await;
    let steps = strict.diagnose().await.steps;
    assert_eq!(steps.last().map(|step| step.what), Some(Check::Tls), "{steps:?}");
    assert_eq!(place.asked("initialize"), 0);
    let authorities = Some(front.pem.clone().into_bytes().into());
    let own = Guard { authorities, ..Guard::default() };
    let blind = Guard { danger_accept_invalid_certificates: true, ..Guard::default() };
    for guard in [own, blind] {
        let (client, _) = start(front.config(&place, guard));
        stands(&client, State::Connected).await;
        let diagnosis = client.diagnose().await;
        assert!(diagnosis.is_well() && diagnosis.steps.len() == 5, "{diagnosis:?}");
        client.close().await;
    }
}

#[tokio::test]
async fn in_production_a_name_that_leads_inside_is_never_connected_to() {
    let mut place = Place::new();
    place.up().await;
    let front = Front::before(place.address()).await;
    let authorities = Some(front.pem.clone().into_bytes().into());
    let guard = Guard { production: true, authorities, ..Guard::default() };
    for scheme in ["https", "wss"] {
        let (client, _) = start(front.config_of(scheme, &place, guard.clone()));
        stands(&client, State::Failed).await;
        let refused =
            client.call(call("tools/list", "{}"), Terms::default()).await.expect_err("no way");
        assert_eq!((refused.kind(), refused.ran()), (ErrorKind::Config, Ran::No));
        assert!(refused.to_string().contains("which is not public"), "{refused}");
        let steps = client.diagnose().await.steps;
        assert_eq!(steps.last().map(|step| step.what), Some(Check::Resolve), "{steps:?}");
    }
    assert_eq!(front.accepted.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_the_url_alone_shows_is_refused_at_once() {
    let refused = |url: &str| -> ConfigError {
        let built = ClientConfig::to_url(url).with(|config| {
            config.options.guard.production = true;
        });
        built.build().expect_err(url)
    };
    for url in ["http://example.test/", "https://2130706433/", "https://example.test@[::1]/"] {
        assert_eq!(refused(url).key, "url");
        assert_eq!(refused(&url.replacen("http", "ws", 1)).key, "url");
    }
}

#[tokio::test]
async fn a_redirect_to_another_origin_is_not_followed_and_the_token_stays() {
    let other = Peer::start(|_, mut socket| async move {
        respond(&mut socket, "200 OK", "", "").await;
    })
    .await;
    let elsewhere = format!("location: http://127.0.0.1:{}/mcp\r\n", other.port);
    let peer = Peer::start(move |_, mut socket| {
        let elsewhere = elsewhere.clone();
        async move { respond(&mut socket, "307 Temporary Redirect", &elsewhere, "").await }
    })
    .await;
    for scheme in ["http", "ws"] {
        let headers = BTreeMap::from([("authorization".to_owned(), Secret::from("Bearer t"))]);
        let url = format!("{scheme}://127.0.0.1:{}/mcp", peer.port);
        let target = Target::url(&url, headers).expect("a URL");
        let (client, _) = start(ClientConfig { target, ..config(&Place::new()) });
        until("it has tried again", || client.stats().failures > 1).await;
    }
    assert!(!peer.requests(|seen| seen.header("authorization") == "Bearer t").is_empty());
    assert!(other.requests(|_| true).is_empty());
}
