import { messages } from "../i18n/language";

export const words = messages(
  {
    part: (from: string, to: string, what: string) => (from === to ? `Text ${from}: ${what}` : `Texts ${from} to ${to}: ${what}`),
    notJSON: "the answer is not JSON",
    rows: (got: string, asked: string) => `the server answered ${got} vectors for ${asked} texts`,
    dimensions: (got: string, before: string) => `the vectors have ${got} dimensions, and those before them ${before}`,
  },
  {
    part: (from, to, what) => (from === to ? `${from}번째 텍스트: ${what}` : `${from}~${to}번째 텍스트: ${what}`),
    notJSON: "서버의 응답이 JSON이 아닙니다",
    rows: (got, asked) => `텍스트 ${asked}개에 대해 서버가 벡터 ${got}개를 반환했습니다`,
    dimensions: (got, before) => `벡터의 차원(${got})이 앞선 벡터의 차원(${before})과 다릅니다`,
  },
  {
    part: (from, to, what) => (from === to ? `Текст ${from}: ${what}` : `Тексты ${from}–${to}: ${what}`),
    notJSON: "ответ сервера не является JSON",
    rows: (got, asked) => `число векторов в ответе сервера (${got}) не совпадает с числом текстов (${asked})`,
    dimensions: (got, before) => `размерность векторов (${got}) не совпадает с размерностью предыдущих (${before})`,
  },
);
