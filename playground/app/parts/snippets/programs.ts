// The same call as programs that run as they are: sh with curl, and Python, JavaScript (Node 18 or
// later) and Go with nothing but their standard libraries.
import { json, python } from "./literal";

export interface Call {
  /** The server, such as https://host:8000. */
  origin: string;
  /** The route, such as /v1/embeddings. */
  path: string;
  body: unknown;
  /** Whether it is sent with the key in QUADRATE_API_KEY. */
  key: boolean;
}

export const programs = { curl, Python: inPython, JavaScript: inJavaScript, Go: inGo } satisfies Record<string, (call: Call) => string>;
export type Language = keyof typeof programs;

/** The end of the here-document is a line that JSON, which is set in, cannot have. */
function curl({ origin, path, body, key }: Call): string {
  const headers = [`-H 'Content-Type: application/json'`, ...(key ? [`-H "Authorization: Bearer $QUADRATE_API_KEY"`] : [])];
  return `curl -sS --fail-with-body '${origin}${path}' \\
${headers.map((header) => `  ${header} \\\n`).join("")}  --data-binary @- <<'JSON'
${json(body)}
JSON
`;
}

function inPython({ origin, path, body, key }: Call): string {
  const results = {
    vectors: `vectors = [item["embedding"] for item in answer["data"]]
print(len(vectors), "vectors of", len(vectors[0]), "dimensions")
print(vectors[0][:8])
`,
    ranking: `for result in answer["results"]:
    print(f"{result['relevance_score']:.4f}", body["documents"][result["index"]])
`,
    other: `print(json.dumps(answer, indent=2, ensure_ascii=False))
`,
  };
  return `import json
${key ? "import os\n" : ""}import sys
import urllib.error
import urllib.request

body = ${python(body)}
request = urllib.request.Request(
    "${origin}${path}",
    data=json.dumps(body).encode(),
    headers={
        "Content-Type": "application/json",
${key ? `        "Authorization": "Bearer " + os.environ["QUADRATE_API_KEY"],\n` : ""}    },
)
try:
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)
except urllib.error.HTTPError as error:
    sys.exit(f"{error.code}: {error.read().decode()}")

${results[resultOf(path, body)]}`;
}

/** Without a top-level await, which Node knows in modules only. */
function inJavaScript({ origin, path, body, key }: Call): string {
  const results = {
    vectors: `  const vectors = answer.data.map((item) => item.embedding);
  console.log(vectors.length, "vectors of", vectors[0].length, "dimensions");
  console.log(vectors[0].slice(0, 8));
`,
    ranking: `  for (const { index, relevance_score } of answer.results) {
    console.log(relevance_score.toFixed(4), body.documents[index]);
  }
`,
    other: `  console.log(JSON.stringify(answer, null, 2));
`,
  };
  return `const body = ${json(body)};

async function main() {
  const response = await fetch("${origin}${path}", {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
${key ? `      Authorization: \`Bearer \${process.env.QUADRATE_API_KEY}\`,\n` : ""}    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(60_000),
  });
  if (!response.ok) throw new Error(\`\${response.status}: \${await response.text()}\`);
  const answer = await response.json();
${results[resultOf(path, body)]}}

main();
`;
}

function inGo({ origin, path, body, key }: Call): string {
  const results = {
    vectors: {
      shape: `	Data []struct {
		Embedding []float32 \`json:"embedding"\`
	} \`json:"data"\`
`,
      show: `	fmt.Println(len(answer.Data), "vectors of", len(answer.Data[0].Embedding), "dimensions")
	fmt.Println(answer.Data[0].Embedding[:min(8, len(answer.Data[0].Embedding))])
`,
    },
    ranking: {
      shape: `	Results []struct {
		Index int     \`json:"index"\`
		Score float64 \`json:"relevance_score"\`
	} \`json:"results"\`
`,
      show: `	for _, result := range answer.Results {
		fmt.Printf("%.4f document %d\\n", result.Score, result.Index)
	}
`,
    },
    other: undefined,
  }[resultOf(path, body)];
  const imports = ["fmt", "io", "log", "net/http", "strings", "time", ...(results ? ["encoding/json"] : []), ...(key ? ["os"] : [])].sort();
  return `package main

import (
${imports.map((name) => `\t"${name}"\n`).join("")})

const body = \`${json(body)}\`
${results ? `\ntype result struct {\n${results.shape}}\n` : ""}
func main() {
	request, err := http.NewRequest(http.MethodPost, "${origin}${path}", strings.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
${key ? `\trequest.Header.Set("Authorization", "Bearer "+os.Getenv("QUADRATE_API_KEY"))\n` : ""}	client := http.Client{Timeout: time.Minute}
	response, err := client.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	served, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		log.Fatalf("%s: %s", response.Status, served)
	}
${results ? `\tvar answer result\n\tif err := json.Unmarshal(served, &answer); err != nil {\n\t\tlog.Fatal(err)\n\t}\n${results.show}` : `\tfmt.Println(string(served))\n`}}
`;
}

/** What of the answer is printed. */
function resultOf(path: string, body: unknown): "vectors" | "ranking" | "other" {
  const asked = (body ?? {}) as Record<string, unknown>;
  const plain = asked.encoding_format === undefined || asked.encoding_format === "float";
  if (path === "/v1/embeddings" && plain) return "vectors";
  const texts = Array.isArray(asked.documents) && asked.documents.every((d) => typeof d === "string");
  return path === "/v1/rerank" && texts ? "ranking" : "other";
}
