// What the fields have before anything is written in them: a support desk's articles.
import { type Language, language } from "../../i18n/language";
import type { Separation } from "./documents";

interface Example {
  query: string;
  articles: [title: string, text: string][];
}

const examples: Record<Language, Example> = {
  en: {
    query: "My parcel arrived damaged. How do I get my money back?",
    articles: [
      ["Delivery times", "Standard delivery takes three to five working days."],
      ["Change of address", "To change the delivery address, open the order and choose Edit."],
      ["Payment", "You can pay by card, by bank transfer or on invoice."],
      ["Broken goods", "If goods arrive broken, send us a photo within 14 days and we refund the full price."],
      ["Forgotten password", "Choose “Forgot password” and we e-mail you a link to set a new one."],
      ["Refunds", "The refund reaches your card five days after we have received the returned item."],
      ["Packaging", "Keep the packaging of a damaged parcel until the carrier has looked at it."],
      ["Opening hours", "Our support desk answers on weekdays from 9 am to 6 pm."],
    ],
  },
  ko: {
    query: "택배가 파손되어 도착했습니다. 환불은 어떻게 받나요?",
    articles: [
      ["배송 기간", "일반 배송은 영업일 기준 3~5일이 걸립니다."],
      ["주소 변경", "배송지를 변경하려면 주문 내역에서 수정을 선택하세요."],
      ["결제", "카드, 계좌 이체, 청구서로 결제할 수 있습니다."],
      ["파손 상품", "상품이 파손되어 도착하면 14일 이내에 사진을 보내 주세요. 전액 환불해 드립니다."],
      ["비밀번호 분실", "‘비밀번호 찾기’를 선택하면 새 비밀번호를 설정할 수 있는 링크를 이메일로 보내 드립니다."],
      ["환불", "환불 금액은 반품 상품이 입고된 뒤 5일 이내에 카드로 입금됩니다."],
      ["포장재", "택배사가 확인할 때까지 파손된 택배의 포장재를 보관해 주세요."],
      ["상담 시간", "고객 센터는 평일 오전 9시부터 오후 6시까지 운영합니다."],
    ],
  },
  ru: {
    query: "Посылка пришла повреждённой. Как вернуть деньги?",
    articles: [
      ["Сроки доставки", "Обычная доставка занимает от трёх до пяти рабочих дней."],
      ["Смена адреса", "Чтобы изменить адрес доставки, откройте заказ и нажмите «Изменить»."],
      ["Оплата", "Оплатить заказ можно картой, банковским переводом или по счёту."],
      ["Повреждённый товар", "Если товар пришёл повреждённым, пришлите фото в течение 14 дней, и мы вернём полную стоимость."],
      ["Забытый пароль", "Нажмите «Забыли пароль?», и мы пришлём на почту ссылку для создания нового."],
      ["Возврат денег", "Деньги поступают на карту через пять дней после получения возвращённого товара."],
      ["Упаковка", "Сохраните упаковку повреждённой посылки, пока её не осмотрит служба доставки."],
      ["Часы работы", "Служба поддержки отвечает по будням с 9 до 18 часов."],
    ],
  },
};

export const exampleQuery = (): string => examples[language.value].query;

/** The articles as the field has them: their texts one a line, or titled passages between blank lines. */
export function exampleDocuments(separation: Separation): string {
  const { articles } = examples[language.value];
  if (separation === "line") return articles.map(([, text]) => text).join("\n");
  return articles.map(([title, text]) => `${title}\n${text}`).join("\n\n");
}
