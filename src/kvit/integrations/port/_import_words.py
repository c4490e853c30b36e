"""What can be wrong when a folder meets the company as it stands, and what to do."""

from kvit.core.wording import Words

IMPORT_WORDS: Words = {
    "changed_elsewhere": (
        "Объект «{code}» ({kind}) с прошлого раза изменили не из папки: {fields}.",
        "The {kind} “{code}” was changed outside the folder since: {fields}.",
    ),
    "amendment_refused": (
        "Изменение не подходит подписке «{code}»: {russian}.",
        "The change does not fit subscription “{code}”: {english}.",
    ),
    "changes_contradict": (
        "Для того же момента подписке «{code}» сказано другое: changes.csv, строка {first_row}.",
        "Subscription “{code}” is told otherwise for that moment: changes.csv, row {first_row}.",
    ),
    "changes_gone": (
        "Изменений, которых больше нет в changes.csv, но которые действуют: {count} ({first}).",
        "Changes that left changes.csv and still hold: {count} ({first}).",
    ),
    "coupon_unknown": ("Купона «{value}» нет.", "There is no coupon “{value}”."),
    "coupon_expired": (
        "Срок купона «{value}» истёк: подписке «{code}» он не дан.",
        "Coupon “{value}” has expired: subscription “{code}” does not get it.",
    ),
    "coupon_early": (
        "Купон «{value}» ещё не принимают: подписке «{code}» он не дан.",
        "Coupon “{value}” is not taken yet: subscription “{code}” does not get it.",
    ),
    "coupon_used_up": (
        "Купон «{value}» использован столько раз, сколько разрешено; подписке «{code}» он не дан.",
        "Coupon “{value}” was redeemed as often as it may be; subscription “{code}” gets none.",
    ),
    "reading_is_usage": (
        "Показание счётчика подписки «{code}» — это потребление, а не изменение условий.",
        "A meter reading of subscription “{code}” is usage, not a change of terms.",
    ),
    "currency_of_transfer": (
        "Подписка «{code}» считается в {currency}, а новый плательщик платит в {other}.",
        "Subscription “{code}” is billed in {currency}, the new payer pays in {other}.",
    ),
    "usage_ambiguous": (
        "У клиента «{code}» счётчик «{meter}» не ровно в одной подписке; событий ждёт: {events}.",
        "Not exactly one subscription of “{code}” has meter “{meter}”; events waiting: {events}.",
    ),
    "usage_outside": (
        "Подписка «{code}» в это время не действует, счётчик «{meter}»; событий ждёт: {events}.",
        "Subscription “{code}” does not serve then, meter “{meter}”; events waiting: {events}.",
    ),
    "usage_key_missing": ("Поле «{field}» пусто.", "Field “{field}” is empty."),
    "usage_key_too_long": (
        "Поле «{field}» длиннее {limit} знаков.",
        "Field “{field}” is longer than {limit} characters.",
    ),
    "usage_text_invalid": (
        "В поле «{field}» нулевой байт или знак, которого нет в Юникоде.",
        "Field “{field}” holds a NUL or a character that Unicode has not.",
    ),
    "usage_subject_kind_unknown": (
        "Событие относится не к подписке и не к клиенту, а к «{kind}».",
        "The event belongs neither to a subscription nor to a customer but to “{kind}”.",
    ),
    "usage_time_without_zone": ("Время без часового пояса.", "The time has no zone."),
    "usage_time_out_of_range": (
        "Время вне границ 1970–2199 годов.",
        "The time is outside the years 1970 to 2199.",
    ),
    "usage_value_not_finite": ("Значение не число.", "The value is not a number."),
    "usage_value_too_precise": (
        "У значения больше {limit} знаков после запятой.",
        "The value has more than {limit} decimals.",
    ),
    "usage_value_too_large": (
        "У значения больше {limit} знаков до запятой.",
        "The value has more than {limit} digits before the point.",
    ),
    "usage_dimensions_invalid": (
        "Измерения события — не пары текстов или длиннее {limit} байт.",
        "The event's dimensions are not pairs of texts, or longer than {limit} bytes.",
    ),
    "usage_conflict": (
        "Под идентификатором «{id}» уже принято событие с другим содержанием.",
        "Another event is already accepted under the id “{id}”.",
    ),
    "unpriced_usage": (
        "Подписка «{code}»: в это время у счётчика «{meter}» нет цены; событий: {events}.",
        "Subscription “{code}”: no price asks for meter “{meter}” at that time; events: {events}.",
    ),
    "not_priced": (
        "Подписка «{code}», цена «{price}»: {detail}",
        "Subscription “{code}”, price “{price}”: {detail}",
    ),
    "waits_for_approval": (
        "Документ клиента «{code}» на {total} ждёт утверждения: так решил продавец.",
        "The document of customer “{code}” for {total} waits for approval, as the seller decided.",
    ),
    "waits_for_outlier": (
        "Документ клиента «{code}» на {total} намного больше прежних и ждёт проверки.",
        "The document of customer “{code}” for {total} is far above earlier ones and waits.",
    ),
    "letters_without_shape": (
        "В документе № {number} клиента «{code}» есть знаки, которых нет в шрифтах: на бумаге"
        " вместо них квадраты, и это не PDF/A.",
        "Document no. {number} of customer “{code}” has letters that no typeface has: boxes stand"
        " for them on paper, and it is no PDF/A.",
    ),
}
_CORRECT = ("Исправьте строку.", "Correct the row.")
IMPORT_REMEDIES: Words = {
    "usage_key_missing": _CORRECT,
    "usage_key_too_long": _CORRECT,
    "usage_text_invalid": _CORRECT,
    "usage_subject_kind_unknown": (
        "Назовите подписку или клиента.",
        "Name a subscription or a customer.",
    ),
    "usage_time_without_zone": (
        "Допишите пояс: 2026-10-31T09:00:00+03:00 или …Z.",
        "Add the zone: 2026-10-31T09:00:00+03:00, or …Z.",
    ),
    "usage_time_out_of_range": ("Проверьте год.", "Check the year."),
    "usage_value_not_finite": (
        "Запишите десятичное число с точкой: 1234.5.",
        "Write a decimal number with a point: 1234.5.",
    ),
    "usage_value_too_precise": ("Округлите его у источника.", "Round it at its source."),
    "usage_value_too_large": (
        "Проверьте число или измеряйте в более крупных единицах.",
        "Check the number, or measure in larger units.",
    ),
    "usage_dimensions_invalid": _CORRECT,
    "changed_elsewhere": (
        "Перенесите изменение в папку или запустите с --take folder, чтобы вернуть как в папке.",
        "Bring the change into the folder, or run with --take folder to restore the folder's.",
    ),
    "amendment_refused": (
        "Проверьте дату, вид и значение строки в changes.csv.",
        "Check the date, the kind and the value of the row in changes.csv.",
    ),
    "changes_contradict": (
        "Оставьте одну из двух строк или разведите их во времени.",
        "Keep one of the two rows, or give them different moments.",
    ),
    "changes_gone": (
        "Чтобы отменить их, запустите с --take folder.",
        "Run with --take folder to withdraw them.",
    ),
    "coupon_unknown": (
        "Опишите его в [[coupon]] или исправьте код.",
        "Declare it as [[coupon]], or correct the code.",
    ),
    "coupon_expired": (
        "Продлите expires или уберите строку.",
        "Move `expires`, or remove the row.",
    ),
    "coupon_early": (
        "Поставьте день, с которого купон принимают, или позже.",
        "Use the day from which the coupon is taken, or a later one.",
    ),
    "coupon_used_up": (
        "Увеличьте limit или уберите строку.",
        "Raise `limit`, or remove the row.",
    ),
    "reading_is_usage": (
        "Внесите показание в changes.csv папки компании и запустите kvit bill.",
        "Put the reading into changes.csv of the company folder and run kvit bill.",
    ),
    "currency_of_transfer": (
        "Закройте подписку и откройте новую у нового плательщика.",
        "Close the subscription and open a new one for the new payer.",
    ),
    "usage_ambiguous": (
        "Назовите в строке подписку вместо клиента.",
        "Name the subscription in the row instead of the customer.",
    ),
    "usage_outside": (
        "Проверьте время событий, начало и конец подписки.",
        "Check the time of the events and the subscription's start and end.",
    ),
    "usage_conflict": (
        "Верна новая строка: kvit usage replace {which} --reason …; "
        "верно принятое: kvit usage keep {which} --reason …",
        "The new row is right: kvit usage replace {which} --reason …; "
        "the accepted one is: kvit usage keep {which} --reason …",
    ),
    "unpriced_usage": (
        "Добавьте в тариф цену этого счётчика или проверьте время событий.",
        "Add a price of this meter to the plan, or check the time of the events.",
    ),
    "not_priced": (
        "Исправьте цену или события, затем запустите расчёт снова.",
        "Correct the price or the events, then run again.",
    ),
    "waits_for_approval": (
        "Проверьте и утвердите: ./kvit approve {document}.",
        "Check and approve it: ./kvit approve {document}.",
    ),
    "letters_without_shape": (
        "Уберите эмодзи и иероглифы из названий в customers.csv и catalogue.toml.",
        "Take emoji and ideographs out of the names in customers.csv and catalogue.toml.",
    ),
    "waits_for_outlier": (
        "Если сумма верна, утвердите: ./kvit approve {document}.",
        "If the sum is right, approve it: ./kvit approve {document}.",
    ),
}
