import { messages } from "../i18n/language";

export const words = messages(
  {
    files:
      "Text files are read as the field is. Of a CSV file, the column with one of the following names is read, or else the one that holds the most characters; of a JSONL file, strings or fields with one of these names:",
    tooLarge: (size: string, most: string) => `The file is ${size} MiB in size; at most ${most} MiB can be read.`,
    tooMany: (line: string, most: string) => `Line ${line}: here the number of texts exceeds ${most}, the most that can be read.`,
    none: "The file holds no text.",
    encoding: (line: string) => `Line ${line}: the file is not UTF-8. Save it again with the encoding UTF-8.`,
    utf16: (line: string) =>
      `Line ${line}: a NUL character. The file is not a text file, or it is UTF-16 without a byte order mark; save it again with the encoding UTF-8.`,
    cells: (line: string, got: string, expected: string) =>
      `Line ${line}: cells: ${got}, while the first row has ${expected}. A text that contains the delimiter or a quote must be put in quotes.`,
    quotes: (line: string) => `Line ${line}: the quotes of this CSV row are not closed or not doubled.`,
    json: (line: string) => `Line ${line}: not valid JSON.`,
    field: (line: string) => `Line ${line}: expected a string, or an object with a string in the field text, document, content or input.`,
    huge: (size: string, most: string) =>
      `The file would be about ${size} MiB in size; at most ${most} MiB can be written. Choose NPY, or fewer texts.`,
  },
  {
    files:
      "텍스트 파일은 입력란과 같은 방식으로 읽습니다. CSV 파일에서는 다음 이름의 열을 읽고, 없으면 글자 수가 가장 많은 열을 읽습니다. JSONL 파일에서는 문자열 또는 다음 이름의 필드를 읽습니다:",
    tooLarge: (size, most) => `파일 크기가 ${size} MiB입니다. 최대 ${most} MiB까지 읽을 수 있습니다.`,
    tooMany: (line, most) => `${line}행: 텍스트 수가 최대 한도인 ${most}개를 초과합니다.`,
    none: "파일에 텍스트가 없습니다.",
    encoding: (line) => `${line}행: UTF-8 파일이 아닙니다. 인코딩을 UTF-8로 지정하여 다시 저장하세요.`,
    utf16: (line) =>
      `${line}행: NUL 문자가 있습니다. 텍스트 파일이 아니거나 바이트 순서 표식이 없는 UTF-16 파일입니다. 인코딩을 UTF-8로 지정하여 다시 저장하세요.`,
    cells: (line, got, expected) =>
      `${line}행: 셀이 ${got}개이지만 첫 행에는 ${expected}개입니다. 구분 기호나 따옴표가 포함된 텍스트는 따옴표로 묶어야 합니다.`,
    quotes: (line) => `${line}행: CSV 행의 따옴표가 닫히지 않았거나 이중으로 표기되지 않았습니다.`,
    json: (line) => `${line}행: 올바른 JSON이 아닙니다.`,
    field: (line) => `${line}행: 문자열이거나 text, document, content, input 필드에 문자열이 있는 객체여야 합니다.`,
    huge: (size, most) =>
      `파일 크기가 약 ${size} MiB가 됩니다. 최대 ${most} MiB까지 쓸 수 있습니다. NPY를 선택하거나 텍스트 수를 줄이세요.`,
  },
  {
    files:
      "Текстовый файл читается так же, как это поле. Из CSV читается столбец с одним из следующих названий, а если такого нет — столбец, в котором больше всего символов; из JSONL — строки или поля с такими названиями:",
    tooLarge: (size, most) => `Размер файла ${size} МиБ, допускается не более ${most} МиБ.`,
    tooMany: (line, most) => `Строка ${line}: превышено максимальное число текстов — ${most}.`,
    none: "В файле нет текстов.",
    encoding: (line) => `Строка ${line}: кодировка файла не UTF-8. Сохраните файл в кодировке UTF-8.`,
    utf16: (line) =>
      `Строка ${line}: символ NUL. Это не текстовый файл либо файл UTF-16 без метки порядка байтов; сохраните его в кодировке UTF-8.`,
    cells: (line, got, expected) =>
      `Строка ${line}: ячеек ${got}, а в первой строке ${expected}. Текст с разделителем или кавычкой необходимо заключить в кавычки.`,
    quotes: (line) => `Строка ${line}: кавычки в строке CSV не закрыты или не удвоены.`,
    json: (line) => `Строка ${line}: некорректный JSON.`,
    field: (line) => `Строка ${line}: ожидается строка или объект со строкой в поле text, document, content или input.`,
    huge: (size, most) =>
      `Размер файла составил бы около ${size} МиБ, допускается не более ${most} МиБ. Выберите NPY или уменьшите число текстов.`,
  },
);
