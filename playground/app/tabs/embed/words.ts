import { messages, number, plural } from "../../i18n/language";

export const words = messages(
  {
    intro: "Turns texts into vectors with one model, and shows how near the texts are to each other.",
    texts: "Texts, one per line",
    examples: `My parcel has not arrived yet.
Where is my order?
The delivery is two days late.
I cannot sign in to my account.
How do I reset my password?
The confirmation code never came.
I was charged twice for one order.
When will I get my refund?
Please send me the invoice again.
The jacket is too small. Can I exchange it?`,
    dimensions: "Dimensions",
    dimensionsHint: "Empty: all. Fewer suit Matryoshka models.",
    run: "Embed",
    result: "Result",
    count: "Texts",
    latency: "Latency, in all",
    perText: "Latency per text",
    throughput: "Throughput",
    perSecond: (n: string) => `${n} texts/s`,
    requests: "Requests",
    slowest: "Slowest request in the server",
    server: "In the server",
    timing: (tokenize: string, queue: string, run: string) => `tokenization ${tokenize}, queue ${queue}, inference ${run}`,
    similarity: "Cosine similarity",
    firstOnly: (shown: string, all: string) => `The first ${shown} of ${all} texts are shown.`,
    order: "Order",
    entered: "As entered",
    clustered: "Clustered",
    nearness: "By similarity to a text",
    needsTwo: "With one text there is nothing to compare.",
    projection: "Projection (PCA)",
    projectionHint: (x: string, y: string) =>
      `The two directions in which the vectors differ most; they hold ${x} and ${y} of the variance. What is near here may be farther apart in all dimensions.`,
    component: (n: string, share: string) => `Component ${n} (${share})`,
    needsThree: "A projection needs at least three texts.",
    flat: "The vectors do not differ, so there is nothing to project.",
    nearest: "Nearest texts",
    nearTo: "Near to the text",
    similarTo: "Similar to the text",
    pairs: "Similarity of each pair",
    byContent: "The texts in the plane of the first two components",
    nearestTo: (text: string) => `The nearest to “${text}”`,
    line: "No.",
    text: "Text",
    score: "Similarity",
    find: "Find a text",
    found: (n: number, shown: string) => `${plural(n, { one: "text found", other: "texts found" })}; the first ${shown} are listed.`,
    matches: (n: number) => plural(n, { one: "text found", other: "texts found" }),
    computing: "Computing…",
    save: "Save vectors",
    saveHint: "CSV: one text per line with its numbers. JSON: with the model’s name. NPY: float32, for numpy.load.",
  },
  {
    intro: "모델 하나로 텍스트를 벡터로 변환하고, 텍스트끼리 얼마나 가까운지 보여 줍니다.",
    texts: "텍스트 (한 줄에 하나)",
    examples: `주문한 택배가 아직 도착하지 않았습니다.
제 주문은 지금 어디에 있나요?
배송이 이틀째 지연되고 있습니다.
계정에 로그인할 수 없습니다.
비밀번호는 어떻게 재설정하나요?
인증 코드가 오지 않습니다.
한 번 주문했는데 두 번 결제되었습니다.
환불은 언제 받을 수 있나요?
청구서를 다시 보내 주세요.
재킷이 너무 작은데 교환할 수 있나요?`,
    dimensions: "차원 수",
    dimensionsHint: "비우면 전체 사용, 축소는 Matryoshka 모델에 적합",
    run: "임베딩 실행",
    result: "결과",
    count: "텍스트",
    latency: "전체 지연 시간",
    perText: "텍스트당 지연 시간",
    throughput: "처리량",
    perSecond: (n) => `초당 텍스트 ${n}개`,
    requests: "요청 수",
    slowest: "서버에서 가장 느린 요청",
    server: "서버 처리 시간",
    timing: (tokenize, queue, run) => `토큰화 ${tokenize}, 대기열 ${queue}, 추론 ${run}`,
    similarity: "코사인 유사도",
    firstOnly: (shown, all) => `텍스트 ${all}개 중 처음 ${shown}개를 표시합니다.`,
    order: "정렬",
    entered: "입력 순서",
    clustered: "군집 순서",
    nearness: "선택한 텍스트와의 유사도 순",
    needsTwo: "텍스트가 하나뿐이어서 비교할 대상이 없습니다.",
    projection: "투영 (PCA)",
    projectionHint: (x, y) =>
      `벡터의 차이가 가장 큰 두 방향이며, 각각 분산의 ${x}와 ${y}를 설명합니다. 여기서 가까워 보여도 전체 차원에서는 더 멀 수 있습니다.`,
    component: (n, share) => `주성분 ${n} (${share})`,
    needsThree: "투영하려면 텍스트가 3개 이상 필요합니다.",
    flat: "벡터 사이에 차이가 없어 투영할 수 없습니다.",
    nearest: "가장 가까운 텍스트",
    nearTo: "기준 텍스트",
    similarTo: "기준 텍스트",
    pairs: "텍스트 쌍별 유사도",
    byContent: "처음 두 주성분 평면에 놓인 텍스트",
    nearestTo: (text) => `“${text}”에 가장 가까운 텍스트`,
    line: "번호",
    text: "텍스트",
    score: "유사도",
    find: "텍스트 찾기",
    found: (n, shown) => `텍스트 ${number(n)}개를 찾았으며, 처음 ${shown}개를 나열합니다.`,
    matches: (n) => `텍스트 ${number(n)}개를 찾았습니다.`,
    computing: "계산 중…",
    save: "벡터 저장",
    saveHint: "CSV: 한 줄에 텍스트 하나와 그 수치. JSON: 모델 이름 포함. NPY: float32, numpy.load로 읽는 형식.",
  },
  {
    intro: "Преобразует тексты в векторы одной моделью и показывает, насколько тексты близки друг к другу.",
    texts: "Тексты, по одному в строке",
    examples: `Моя посылка ещё не пришла.
Где мой заказ?
Доставка задерживается на два дня.
Не могу войти в личный кабинет.
Как сбросить пароль?
Код подтверждения так и не пришёл.
С меня дважды списали деньги за один заказ.
Когда мне вернут деньги?
Пришлите, пожалуйста, счёт ещё раз.
Куртка мала. Можно ли её обменять?`,
    dimensions: "Размерность",
    dimensionsHint: "Пусто — все; меньше — для моделей Matryoshka.",
    run: "Получить эмбеддинги",
    result: "Результат",
    count: "Тексты",
    latency: "Общая задержка",
    perText: "Задержка на текст",
    throughput: "Пропускная способность",
    perSecond: (n) => `${n} текстов/с`,
    requests: "Запросы",
    slowest: "Самый медленный запрос на сервере",
    server: "На сервере",
    timing: (tokenize, queue, run) => `токенизация ${tokenize}, очередь ${queue}, вычисление ${run}`,
    similarity: "Косинусное сходство",
    firstOnly: (shown, all) => `Показаны первые ${shown} из ${all} текстов.`,
    order: "Порядок",
    entered: "Как введено",
    clustered: "По кластерам",
    nearness: "По сходству с текстом",
    needsTwo: "Текст всего один, сравнивать не с чем.",
    projection: "Проекция (PCA)",
    projectionHint: (x, y) =>
      `Два направления, в которых векторы различаются сильнее всего; на них приходится ${x} и ${y} дисперсии. Близкие здесь точки в полном пространстве могут быть дальше друг от друга.`,
    component: (n, share) => `Компонента ${n} (${share})`,
    needsThree: "Для проекции нужно не менее трёх текстов.",
    flat: "Векторы не различаются, проецировать нечего.",
    nearest: "Ближайшие тексты",
    nearTo: "Близкие к тексту",
    similarTo: "По сходству с текстом",
    pairs: "Сходство каждой пары",
    byContent: "Тексты на плоскости первых двух компонент",
    nearestTo: (text) => `Ближайшие к «${text}»`,
    line: "№",
    text: "Текст",
    score: "Сходство",
    find: "Найти текст",
    found: (n, shown) =>
      `Найдено: ${plural(n, { one: "текст", few: "текста", many: "текстов", other: "текста" })}; в списке первые ${shown}.`,
    matches: (n) => `Найдено: ${plural(n, { one: "текст", few: "текста", many: "текстов", other: "текста" })}.`,
    computing: "Вычисление…",
    save: "Сохранить векторы",
    saveHint: "CSV: в строке текст и его числа. JSON: с названием модели. NPY: float32, для numpy.load.",
  },
);
