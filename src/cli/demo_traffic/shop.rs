//! What do the services log for a request? Each visitor's request runs through several of them.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use platform::rng::{Rng, SeededRng};
use serde_json::json;

use super::format;

mod checkout;

/// The services, in the order of [`SERVICES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Service {
    Frontend,
    Checkout,
    Payments,
    Cart,
    Search,
    Orders,
    Accounts,
    Inventory,
    Shipping,
    Postgres,
}

/// All services.
pub(super) const SERVICES: [Service; 10] = [
    Service::Frontend,
    Service::Checkout,
    Service::Payments,
    Service::Cart,
    Service::Search,
    Service::Orders,
    Service::Accounts,
    Service::Inventory,
    Service::Shipping,
    Service::Postgres,
];

impl Service {
    /// The stem of its log file.
    pub(super) fn name(self) -> &'static str {
        match self {
            Service::Frontend => "frontend",
            Service::Checkout => "checkout",
            Service::Payments => "payments",
            Service::Cart => "cart",
            Service::Search => "search",
            Service::Orders => "orders",
            Service::Accounts => "accounts",
            Service::Inventory => "inventory",
            Service::Shipping => "shipping",
            Service::Postgres => "postgres",
        }
    }
}

/// Releases of checkout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// 2.13.4, which works.
    Old,
    /// 2.14.0, which does not.
    New,
}

/// A line of a log, with its time and its place among lines of the same time.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) at_ns: i64,
    number: u64,
    pub(super) service: Service,
    pub(super) text: String,
}

/// The earliest is the greatest: what a heap gives first.
impl Ord for Line {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at_ns, other.number).cmp(&(self.at_ns, self.number))
    }
}

impl PartialOrd for Line {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Line {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Line {}

const MS: i64 = 1_000_000;
const AGENTS: [&str; 5] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15",
    "shop-android/5.2.1 (Android 15; Pixel 8)",
];
const WORDS: [&str; 12] = [
    "lamp",
    "desk",
    "chair",
    "teapot",
    "blanket",
    "mirror",
    "bookshelf",
    "kettle",
    "rug",
    "clock",
    "candle",
    "vase",
];

/// The shop: its visitors, its state, and the lines that wait to be written.
#[derive(Debug)]
pub(super) struct Shop {
    rng: SeededRng,
    lines: Vec<Line>,
    made: u64,
    orders: u64,
    release: Release,
    /// Payments that failed one after the other: what the circuit breaker counts.
    failures: u32,
}

/// One visitor's request.
#[derive(Debug)]
struct Request {
    at_ns: i64,
    ip: String,
    agent: &'static str,
    trace: String,
    user: u64,
}

impl Shop {
    pub(super) fn new(rng: SeededRng) -> Self {
        Self { rng, lines: Vec::new(), made: 0, orders: 48_000, release: Release::Old, failures: 0 }
    }

    pub(super) fn release(&self) -> Release {
        self.release
    }

    /// Moves the lines that were made to `waiting`; gives how many.
    pub(super) fn drain(&mut self, waiting: &mut BinaryHeap<Line>) -> u64 {
        let made = self.lines.len() as u64;
        waiting.extend(self.lines.drain(..));
        made
    }

    /// Somebody does something.
    pub(super) fn request(&mut self, at_ns: i64) {
        let request = self.visitor(at_ns);
        match self.below(100) {
            0..34 => self.browse(&request),
            34..52 => self.search(&request),
            52..70 => self.fill_cart(&request),
            70..86 => self.check_out(&request),
            86..95 => self.log_in(&request),
            95..97 => self.probe(&request),
            _ => self.housekeeping(at_ns),
        }
    }

    fn below(&self, n: u64) -> u64 {
        self.rng.next_u64() % n
    }

    fn pick<T: Copy>(&self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn visitor(&self, at_ns: i64) -> Request {
        Request {
            at_ns,
            ip: format!(
                "{}.{}.{}.{}",
                self.pick(&[81, 87, 91, 109, 178]),
                self.below(256),
                self.below(256),
                1 + self.below(254)
            ),
            agent: self.pick(&AGENTS),
            trace: format!("{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64()),
            user: 1000 + self.below(9000),
        }
    }

    fn log(&mut self, at_ns: i64, service: Service, text: String) {
        for line in text.split('\n') {
            let text = line.to_owned();
            self.lines.push(Line { at_ns, number: self.made, service, text });
            self.made += 1;
        }
    }

    /// The web server's line, `ms` after the request came in.
    fn access(&mut self, request: &Request, ms: i64, what: &str, status: u16) {
        let at_ns = request.at_ns + ms * MS;
        let bytes = if status < 300 { 400 + self.below(60_000) } else { 150 + self.below(400) };
        let line = format!(
            "{} - - [{}] \"{what} HTTP/1.1\" {status} {bytes} \"https://shop.example/\" \"{}\"",
            request.ip,
            format::clf_time(at_ns),
            request.agent
        );
        self.log(at_ns, Service::Frontend, line);
    }

    fn browse(&mut self, request: &Request) {
        let sku = self.below(500);
        let what = match self.below(5) {
            0 => "GET /".to_owned(),
            1 => format!("GET /category/{}", self.pick(&WORDS)),
            2 => format!("GET /static/app.{:08x}.js", sku * 2_654_435_761 % (1 << 32)),
            _ => format!("GET /product/SKU-{sku:04}"),
        };
        let status = if self.below(60) == 0 { 404 } else { 200 };
        let ms = 3 + self.below(60) as i64;
        self.access(request, ms, &what, status);
        if self.below(4) == 0 {
            let took = 1.0 + self.below(4000) as f64 / 100.0;
            let process = 300 + self.below(20);
            let statement = format!("SELECT * FROM products WHERE sku = 'SKU-{sku:04}'");
            let message = format!("duration: {took:.3} ms  statement: {statement}");
            let at_ns = request.at_ns + ms * MS / 2;
            self.log(at_ns, Service::Postgres, format::postgres(at_ns, process, "LOG", &message));
        }
    }

    fn search(&mut self, request: &Request) {
        let word = self.pick(&WORDS);
        let (hits, took) = (self.below(240), 4 + self.below(90) as i64);
        let end = request.at_ns + took * MS;
        let slow = self.below(80) == 0;
        let line = match slow {
            true => format::klog(
                end + 2_000 * MS,
                'E',
                "query.go:118",
                &format!(
                    "\"search timed out\" query=\"{word}\" shard=3 timeout=\"2s\" trace=\"{}\"",
                    request.trace
                ),
            ),
            false => format::klog(
                end,
                'I',
                "query.go:96",
                &format!("\"searched\" query=\"{word}\" hits={hits} took=\"{took}ms\""),
            ),
        };
        let ms = if slow { took + 2_001 } else { took + 1 };
        self.log(request.at_ns + (ms - 1) * MS, Service::Search, line);
        let what = format!("GET /api/search?q={word}");
        self.access(request, ms, &what, if slow { 504 } else { 200 });
    }

    fn fill_cart(&mut self, request: &Request) {
        let (sku, count) = (self.below(500), 1 + self.below(3));
        let left = self.below(40);
        let reserved = request.at_ns + 4 * MS;
        let data = format!("sku=\"SKU-{sku:04}\" wanted=\"{count}\" left=\"{left}\"");
        let enough = left >= count;
        let line = match enough {
            true => format::syslog(reserved, 6, "RESERVED", &data, "stock reserved"),
            false => format::syslog(reserved, 4, "SOLDOUT", &data, "not enough stock"),
        };
        self.log(reserved, Service::Inventory, line);
        let (level, message) =
            if enough { ("info", "item added") } else { ("warn", "item is sold out") };
        let ms = 7 + self.below(20) as i64;
        let more = format!("user={} sku=SKU-{sku:04} count={count}", request.user);
        self.cart(request, ms, (level, message), &more);
        self.access(request, ms + 1, "POST /api/cart/items", if enough { 201 } else { 409 });
    }

    fn cart(&mut self, request: &Request, ms: i64, said: (&str, &str), more: &str) {
        let at_ns = request.at_ns + ms * MS;
        let (level, message) = said;
        let line = format!(
            "time={} level={level} msg={} trace_id={} {more}",
            format::rfc3339(at_ns, 3),
            format::logfmt_value(message),
            request.trace
        );
        self.log(at_ns, Service::Cart, line);
    }

    fn log_in(&mut self, request: &Request) {
        let (short, at_ns) = (&request.trace[..8], request.at_ns + 5 * MS);
        let started = format!("Started POST \"/login\" for {}", request.ip);
        self.log(at_ns, Service::Accounts, format::rails(at_ns, "INFO", short, &started));
        let good = self.below(12) != 0;
        let end = at_ns + (60 + self.below(90) as i64) * MS;
        if !good {
            let message = format!("Login failed for user {}: invalid password", request.user);
            self.log(end - MS, Service::Accounts, format::rails(end - MS, "WARN", short, &message));
        }
        let status = if good { 302 } else { 401 };
        let said = if good { "302 Found" } else { "401 Unauthorized" };
        let message = format!("Completed {said} in {}ms", (end - at_ns) / MS);
        self.log(end, Service::Accounts, format::rails(end, "INFO", short, &message));
        self.access(request, (end - request.at_ns) / MS + 1, "POST /login", status);
    }

    /// Strangers who try doors.
    fn probe(&mut self, request: &Request) {
        let paths = ["GET /wp-login.php", "GET /.env", "GET /admin/config.php", "POST /xmlrpc.php"];
        let what = self.pick(&paths);
        self.access(request, 2, what, 404);
    }

    /// What happens by itself: some of it goes wrong on every good day.
    fn housekeeping(&mut self, at_ns: i64) {
        let process = 300 + self.below(20);
        match self.below(6) {
            0 => {
                let message = "checkpoint complete: wrote 312 buffers (1.9%); 0 WAL file(s) added";
                self.log(at_ns, Service::Postgres, format::postgres(at_ns, 61, "LOG", message));
            }
            1 => {
                let message = "duplicate key value violates unique constraint \"carts_pkey\"";
                let line = format::postgres(at_ns, process, "ERROR", message);
                self.log(at_ns, Service::Postgres, line);
                let detail = format!("Key (id)=({}) already exists.", self.below(90_000));
                let line = format::postgres(at_ns, process, "DETAIL", &detail);
                self.log(at_ns, Service::Postgres, line);
            }
            2 => {
                let wait = 5 * (1 + self.below(6));
                let message = json!({"level": "warn", "carrier": "northpost",
                    "msg": "carrier answered 429, waiting", "wait_s": wait});
                let line = format::cri(at_ns, "stderr", &message.to_string());
                self.log(at_ns, Service::Shipping, line);
            }
            3 => self.bad_address(at_ns),
            4 => {
                let message = format!("\"index refreshed\" segment=_{:x} docs=500", self.made);
                self.log(at_ns, Service::Search, format::klog(at_ns, 'I', "index.go:31", &message));
            }
            _ => {
                let message = format!("sweep done, {} carts expired", self.below(30));
                self.log(
                    at_ns,
                    Service::Orders,
                    format::python(at_ns, "INFO", "orders.sweep", &message),
                );
            }
        }
    }

    /// A fault of its own, with a traceback, that has nothing to do with the incident.
    fn bad_address(&mut self, at_ns: i64) {
        let order = self.orders - self.below(200);
        let message = format!(
            "cannot print label for order {order}\n\
             Traceback (most recent call last):\n  \
               File \"/srv/orders/labels.py\", line 71, in render\n    \
                 code = address[\"postcode\"].strip()\n\
             KeyError: 'postcode'"
        );
        self.log(at_ns, Service::Orders, format::python(at_ns, "ERROR", "orders.labels", &message));
    }
}
