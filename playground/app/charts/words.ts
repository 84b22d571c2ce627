import { messages, number, plural } from "../i18n/language";

export const words = messages(
  {
    table: "As a table",
    matrixRange: (texts: number, low: string, high: string) =>
      `${plural(texts, { one: "text", other: "texts" })}; the similarities of different texts lie between ${low} and ${high}`,
    alike: "Most similar",
    unlike: "Least similar",
    first: (shown: number, all: number) => `The first ${number(shown)} of ${number(all)} texts are shown.`,
    points: (n: number) => plural(n, { one: "point", other: "points" }),
    zoom: "Ctrl and the mouse wheel zoom, dragging moves.",
    axis: (n: number) => `Axis ${n}`,
    text: "Text",
    group: (n: number) => `Group ${n}`,
    last: (value: string) => `last ${value}`,
    none: "no value yet",
  },
  {
    table: "표로 보기",
    matrixRange: (texts, low, high) => `텍스트 ${number(texts)}개, 서로 다른 텍스트의 유사도 범위 ${low} ~ ${high}`,
    alike: "가장 유사한 쌍",
    unlike: "가장 다른 쌍",
    first: (shown, all) => `텍스트 ${number(all)}개 중 처음 ${number(shown)}개만 표시합니다.`,
    points: (n) => `점 ${number(n)}개`,
    zoom: "Ctrl+마우스 휠로 확대/축소하고, 끌어서 이동합니다.",
    axis: (n) => `축 ${n}`,
    text: "텍스트",
    group: (n) => `그룹 ${n}`,
    last: (value) => `최근 값 ${value}`,
    none: "아직 값 없음",
  },
  {
    table: "В виде таблицы",
    matrixRange: (texts, low, high) =>
      `${plural(texts, { one: "текст", few: "текста", many: "текстов", other: "текста" })}; сходство разных текстов — от ${low} до ${high}`,
    alike: "Самые похожие",
    unlike: "Наименее похожие",
    first: (shown, all) => `Показаны первые ${number(shown)} из ${number(all)}.`,
    points: (n) => plural(n, { one: "точка", few: "точки", many: "точек", other: "точки" }),
    zoom: "Масштаб — Ctrl и колесо мыши, перемещение — перетаскиванием.",
    axis: (n) => `Ось ${n}`,
    text: "Текст",
    group: (n) => `Группа ${n}`,
    last: (value) => `последнее значение ${value}`,
    none: "пока нет значений",
  },
);
