"""elasticsearch-dsl: searches, aggregations, documents."""

from elasticsearch import helpers
from elasticsearch_dsl import A, Date, Document, FacetedSearch, Integer, Keyword, Q, Search, TermsFacet, Text, connections

from common import START_MS, check, documents, run


def prepare(url, index, count=60):
    client = connections.create_connection(hosts=[url])
    helpers.bulk(client, documents(index, count), refresh=True)


def search(url):
    prepare(url, "dsl-search")
    found = Search(index="dsl-search").query("match", message="disk").filter("range", n={"gte": 30}).exclude("term", level="info")
    found = found.sort("-@timestamp")[:2].source(["n"]).extra(track_total_hits=True)
    answer = found.execute()
    check(answer.success(), True)
    check(answer.hits.total.value, 20)
    check([hit.n for hit in answer], [58, 57])
    check(found.count(), 20)
    either = Search(index="dsl-search").query(Q("term", n=1) | Q("term", n=2))
    check(sorted(hit.n for hit in either), [1, 2])
    query = Q("query_string", query="level:error AND n:[0 TO 10]")
    check(Search(index="dsl-search").query(query).count(), 4)


def aggregations(url):
    prepare(url, "dsl-aggregations")
    found = Search(index="dsl-aggregations")[:0]
    found.aggs.bucket("levels", "terms", field="level").metric("most", "max", field="n").bucket(
        "minutes", A("date_histogram", field="@timestamp", fixed_interval="30s")
    )
    levels = found.execute().aggregations.levels.buckets
    check([(level.key, level.doc_count, level.most.value) for level in levels], [("error", 20, 57.0), ("info", 20, 59.0), ("warn", 20, 58.0)])
    check([minute.doc_count for minute in levels[0].minutes.buckets], [10, 10])


def facets(url):
    prepare(url, "dsl-facets")

    class Lines(FacetedSearch):
        index = "dsl-facets"
        fields = ["message"]
        facets = {"levels": TermsFacet(field="level")}

        def highlight(self, search):
            return search

    answer = Lines("disk", {"levels": "warn"}).execute()
    check(answer.hits.total.value, 20)
    check(sorted(answer.facets.levels), [("error", 20, False), ("info", 20, False), ("warn", 20, True)])


def scan(url):
    prepare(url, "dsl-scan")
    check(sorted(hit.n for hit in Search(index="dsl-scan").params(size=7).scan()), list(range(60)))


def document(url):
    prepare(url, "dsl-other", 1)

    class Line(Document):
        level = Keyword()
        message = Text()
        n = Integer()
        at = Date()

        class Index:
            name = "dsl-document"

    Line.init()
    line = Line(meta={"id": "1"}, level="error", message="disk", n=1, at="2024-05-01T10:00:00Z", **{"@timestamp": START_MS})
    check(line.save(refresh=True), "created")
    check(Line.get(id="1").n, 1)
    check([line.level for line in Line.search().query("match", message="DISK")], ["error"])


run([search, aggregations, facets, scan, document])
