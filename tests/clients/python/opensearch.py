"""opensearch-py: bulk, searches, errors, scan."""

from opensearchpy import NotFoundError, OpenSearch, helpers

from common import check, documents, raises, run


def bulk(url):
    client, index = OpenSearch(url), "opensearch-bulk"
    check(helpers.bulk(client, documents(index, 700), refresh=True), (700, []))
    found = client.search(index=index, body={"query": {"term": {"level": "warn"}}, "size": 0, "aggs": {"m": {"max": {"field": "n"}}}})
    check(found["hits"]["total"]["value"], 233)
    check(found["aggregations"]["m"]["value"], 697.0)
    check(client.ping(), True)
    error = raises(NotFoundError, lambda: client.search(index="opensearch-none"))
    check(error.error, "index_not_found_exception")


def scan(url):
    client, index = OpenSearch(url), "opensearch-scan"
    helpers.bulk(client, documents(index, 700), refresh=True)
    found = helpers.scan(client, index=index, query={"query": {"match_all": {}}}, size=300)
    check(sorted(hit["_source"]["n"] for hit in found), list(range(700)))


run([bulk, scan])
