use anyhow::Result;

use crate::support::TestApp;

#[tokio::test]
async fn the_document_describes_every_route() -> Result<()> {
    let app = TestApp::start().await?;
    let answer = app.get_with("/openapi.json", &[]).await?;
    assert_eq!(answer.status, 200);
    let mut document = answer.json();
    document["info"]["version"] = "[version]".into();
    insta::assert_json_snapshot!(document);
    app.finish().await
}
