//! What does a checkout log? The one path that the incident breaks, through seven services.

use serde_json::json;

use super::{MS, Release, Request, Service, Shop};
use crate::cli::demo_traffic::format;

/// Failures after which checkout stops asking the payment service, and every how many requests it
/// looks whether that works again.
const BREAKER_FAILURES: u32 = 8;
const BREAKER_TRIAL: u32 = 6;
const ATTEMPTS: i64 = 3;

impl Release {
    fn version(self) -> &'static str {
        match self {
            Release::Old => "2.13.4",
            Release::New => "2.14.0",
        }
    }

    fn gateway(self) -> &'static str {
        match self {
            Release::Old => "gateway.pay.example",
            Release::New => "gateway-v2.pay.example",
        }
    }
}

impl Shop {
    /// Puts another release of checkout into service.
    pub(in crate::cli::demo_traffic) fn deploy(&mut self, at_ns: i64, release: Release) {
        let before = self.release.version();
        self.release = release;
        self.failures = 0;
        let reason = if release == Release::New { "rollout" } else { "rollback" };
        let version = release.version();
        for (ms, message, more) in [
            (0, "shutting down", json!({"version": before, "reason": reason})),
            (900, "starting", json!({"version": version, "previous": before, "reason": reason})),
            (
                950,
                "configuration loaded",
                json!({"payment_gateway": release.gateway(), "breaker_failures": BREAKER_FAILURES}),
            ),
            (1_400, "listening on :8080", json!({"version": version})),
        ] {
            self.zap(at_ns + ms * MS, "info", message, more);
        }
    }

    /// A line of checkout, as Go's zap writes it.
    fn zap(&mut self, at_ns: i64, level: &str, message: &str, more: serde_json::Value) {
        let seconds = at_ns.div_euclid(1_000_000_000);
        let micros = at_ns.rem_euclid(1_000_000_000) / 1000;
        let caller = if level == "info" { "checkout/service.go:88" } else { "checkout/pay.go:142" };
        let more = more.to_string();
        let more = more.trim_start_matches('{').trim_end_matches('}');
        let line = format!(
            "{{\"level\":\"{level}\",\"ts\":{seconds}.{micros:06},\"caller\":\"{caller}\",\
             \"msg\":\"{message}\",{more}}}"
        );
        self.log(at_ns, Service::Checkout, line);
    }

    pub(super) fn check_out(&mut self, request: &Request) {
        self.orders += 1;
        let order = self.orders;
        let amount = 500 + self.below(40_000);
        match self.release {
            Release::Old => self.paid(request, order, amount),
            Release::New => self.unpaid(request, order, amount),
        }
    }

    fn paid(&mut self, request: &Request, order: u64, amount: u64) {
        let trace = &request.trace;
        let took = 90 + self.below(240) as i64;
        let at_ns = request.at_ns + took * MS;
        let message = format!(
            "authorised order={order} amount={}.{:02} gateway={} trace={trace}",
            amount / 100,
            amount % 100,
            self.release.gateway()
        );
        self.payments(at_ns, "INFO", &message);
        // One card in thirty is refused, as on every day.
        if self.below(30) == 0 {
            let more = json!({"trace_id": trace, "order_id": order, "code": "card_declined"});
            self.zap(at_ns + 2 * MS, "warn", "card declined", more);
            return self.access(request, took + 3, "POST /api/checkout", 402);
        }
        let more = json!({"trace_id": trace, "order_id": order, "amount_cents": amount,
            "version": self.release.version(), "duration_ms": took});
        self.zap(at_ns + 2 * MS, "info", "order placed", more);
        let statement = format!("INSERT INTO orders (id, state) VALUES ({order}, 'PAID')");
        let process = 300 + self.below(20);
        let line = format!("duration: {}.412 ms  statement: {statement}", 1 + self.below(9));
        let line = format::postgres(at_ns + 3 * MS, process, "LOG", &line);
        self.log(at_ns + 3 * MS, Service::Postgres, line);
        let message = format!("order {order} paid, trace {trace}");
        let line = format::python(at_ns + 4 * MS, "INFO", "orders.worker", &message);
        self.log(at_ns + 4 * MS, Service::Orders, line);
        let parcel = json!({"level": "info", "msg": "parcel ordered", "order_id": order,
            "carrier": self.pick(&["northpost", "rivergo"]), "trace_id": trace});
        let parcel_ns = at_ns + 400 * MS;
        let line = format::cri(parcel_ns, "stdout", &parcel.to_string());
        self.log(parcel_ns, Service::Shipping, line);
        self.access(request, took + 5, "POST /api/checkout", 200);
    }

    fn payments(&mut self, at_ns: i64, level: &str, message: &str) {
        let thread = 1 + self.below(12);
        let line = format::logback(at_ns, level, thread, "c.s.payments.GatewayClient", message);
        self.log(at_ns, Service::Payments, line);
    }

    /// The gateway's certificate has expired: the cart tries three times, in vain.
    fn unpaid(&mut self, request: &Request, order: u64, amount: u64) {
        for attempt in 1..=ATTEMPTS {
            let start = request.at_ns + (attempt - 1) * 2_000 * MS;
            let attempted = Request {
                at_ns: start,
                trace: request.trace.clone(),
                ip: request.ip.clone(),
                ..*request
            };
            let open =
                self.failures >= BREAKER_FAILURES && !self.failures.is_multiple_of(BREAKER_TRIAL);
            self.failures += 1;
            let status = match open {
                true => self.not_asked(&attempted, order),
                false => self.gateway_fails(&attempted, order, amount),
            };
            self.access(&attempted, 40, "POST /api/checkout", status);
            let (level, message) = match attempt {
                ATTEMPTS => ("error", "checkout failed, giving up"),
                _ => ("warn", "checkout failed, trying again"),
            };
            let more =
                format!("user={} order={order} attempt={attempt} status={status}", request.user);
            self.cart(&attempted, 41, (level, message), &more);
        }
        let late = request.at_ns + 7_000 * MS;
        let message = format!("order {order} stuck in PENDING_PAYMENT, trace {}", request.trace);
        let line = format::python(late, "WARNING", "orders.worker", &message);
        self.log(late, Service::Orders, line);
    }

    fn gateway_fails(&mut self, request: &Request, order: u64, amount: u64) -> u16 {
        let (at_ns, trace, host) =
            (request.at_ns + 25 * MS, &request.trace, self.release.gateway());
        let expired = format::java_date(at_ns - at_ns.rem_euclid(86_400_000_000_000));
        let message = format!(
            "payment failed order={order} amount={}.{:02} gateway={host} trace={trace}\n\
             javax.net.ssl.SSLHandshakeException: PKIX path validation failed: certificate expired\n\
             \tat java.base/sun.security.ssl.Alert.createSSLException(Alert.java:130)\n\
             \tat java.base/sun.security.ssl.TransportContext.fatal(TransportContext.java:378)\n\
             \tat com.shop.payments.GatewayClient.authorise(GatewayClient.java:87)\n\
             \tat com.shop.payments.PaymentService.pay(PaymentService.java:54)\n\
             Caused by: java.security.cert.CertificateExpiredException: NotAfter: {expired}\n\
             \tat java.base/sun.security.x509.CertificateValidity.valid(CertificateValidity.java:277)\n\
             \t... 42 more",
            amount / 100,
            amount % 100,
        );
        self.payments(at_ns, "ERROR", &message);
        let more = json!({"trace_id": trace, "order_id": order, "upstream": "payments",
            "status": 502, "version": self.release.version()});
        self.zap(at_ns + 5 * MS, "error", "payment failed", more);
        if self.failures == BREAKER_FAILURES {
            let more = json!({"upstream": "payments", "failures": self.failures});
            self.zap(at_ns + 6 * MS, "error", "circuit breaker opened", more);
        }
        502
    }

    fn not_asked(&mut self, request: &Request, order: u64) -> u16 {
        let more = json!({"trace_id": request.trace, "order_id": order, "upstream": "payments",
            "status": 503, "version": self.release.version()});
        self.zap(request.at_ns + 3 * MS, "error", "circuit breaker is open", more);
        503
    }
}
