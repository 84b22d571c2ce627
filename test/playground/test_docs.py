"""The page /docs, which shows the OpenAPI document."""

from playwright.sync_api import expect


def test_docs(visitor):
    visitor.page.goto(visitor.server.url + "/docs")
    expect(visitor.page.get_by_text("/v1/embeddings").first).to_be_visible()
    visitor.picture("docs")
    # Swagger UI's own parts are as npm has them; what it leaves to be wished is printed.
    visitor.accessible(".swagger-ui")


def test_the_page_leads_to_it(visitor):
    page = visitor.open()
    page.get_by_role("link", name="API description").click()
    expect(page.get_by_text("/v1/rerank").first).to_be_visible()
