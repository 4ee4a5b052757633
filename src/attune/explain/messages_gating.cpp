#include "attune/explain/messages.h"

namespace attune::explain {

std::span<const Message> gating_messages() {
  static constexpr Message table[]{
      {"gating.Wu", "The weights into the inner channels, four times as many as the width; learnt.",
       "Trọng số đưa vào các kênh bên trong, số kênh gấp bốn lần độ rộng; được học.",
       "Веса перехода во внутренние каналы, которых вчетверо больше ширины; обучаются."},
      {"gating.H", "Every token by itself, in the inner channels.",
       "Từng token riêng rẽ, biểu diễn trên các kênh bên trong.", "Каждый токен сам по себе, во внутренних каналах."},
      {"gating.Z",
       "GELU: h times the probability that a standard normal number is below h. The left half of the columns, Z1, is "
       "what will be gated; the right half, Z2, becomes the gate.",
       "GELU: h nhân với xác suất để một biến chuẩn tắc nhỏ hơn h. Nửa trái của các cột, Z1, sẽ đi qua cổng; nửa phải, "
       "Z2, trở thành cổng.",
       "GELU: h, умноженное на вероятность того, что стандартная нормальная величина меньше h. Левая половина "
       "столбцов, Z1, пойдёт через вентиль; правая, Z2, сама станет вентилем."},
      {"gating.gn", "The norm's scale, learnt, one number per channel of the gate.",
       "Hệ số tỉ lệ của phép chuẩn hoá, được học, mỗi kênh của cổng một số.",
       "Масштаб нормировки, обучается: по числу на канал вентиля."},
      {"gating.bn", "The norm's shift, learnt, one number per channel of the gate.",
       "Độ dịch của phép chuẩn hoá, được học, mỗi kênh của cổng một số.",
       "Сдвиг нормировки, обучается: по числу на канал вентиля."},
      {"gating.N", "The gate's half of every token, normalised over its channels: s² is their variance plus 0.00001.",
       "Nửa làm cổng của mỗi token, được chuẩn hoá trên các kênh của nó: s² là phương sai cộng 0,00001.",
       "Вентильная половина каждого токена, нормированная по своим каналам: s² — их дисперсия плюс 0,00001."},
      {"gating.W",
       "The spatial weights, learnt: what the gate of token i takes from token j. They belong to positions, whatever "
       "stands there.",
       "Trọng số không gian, được học: cổng của token i lấy bao nhiêu từ token j. Chúng gắn với vị trí, bất kể ở đó là "
       "token nào.",
       "Пространственные веса, обучаются: сколько вентиль токена i берёт у токена j. Они привязаны к позициям, что бы "
       "там ни стояло."},
      {"gating.b",
       "One bias per position, the same for all channels. Training starts from 1 and weights near 0, so that the gate "
       "lets everything through at first.",
       "Mỗi vị trí một độ lệch, chung cho mọi kênh. Việc học bắt đầu từ 1 và trọng số gần 0, nên lúc đầu cổng cho qua "
       "tất cả.",
       "По смещению на позицию, общему для всех каналов. Обучение начинается с 1 и весов около 0, так что вначале "
       "вентиль пропускает всё."},
      {"gating.G",
       "The gate. Only here do tokens meet, each channel by itself; no activation follows and no softmax: weights may "
       "be negative.",
       "Cổng. Chỉ ở đây các token mới gặp nhau, từng kênh một; không có hàm kích hoạt hay softmax nào theo sau, nên "
       "trọng số có thể âm.",
       "Вентиль. Только здесь токены встречаются, каждый канал отдельно; ни активации, ни softmax дальше нет, и веса "
       "могут быть отрицательными."},
      {"gating.R", "The left half, times the gate.", "Nửa trái, nhân với cổng.",
       "Левая половина, умноженная на вентиль."},
      {"gating.Y", "The output, as wide as the input again.", "Đầu ra, trở lại cùng độ rộng với đầu vào.",
       "Выход, снова той же ширины, что и вход."},
      {"gating.dG", "What reaches the gate through its product with the left half.",
       "Phần đến cổng, qua phép nhân của nó với nửa trái.",
       "Что доходит до вентиля через произведение с левой половиной."},
      {"gating.dW",
       "W_ij brought token j's row to token i's gate: its gradient is the sum of their products over the "
       "channels.",
       "W_ij đưa hàng của token j đến cổng của token i: gradient của nó là tổng, trên các kênh, của tích hai bên.",
       "W_ij доставил строку токена j в вентиль токена i: его градиент — сумма их произведений по каналам."},
      {"gating.db", "The bias went into every channel of its token: its gradient is the sum over them.",
       "Độ lệch được cộng vào mọi kênh của token: gradient của nó là tổng trên các kênh.",
       "Смещение вошло во все каналы своего токена: его градиент — сумма по ним."},
      {"gating.dN", "Every token collects from all gates that read it: the same weights, transposed.",
       "Mỗi token gom lại từ mọi cổng đã đọc nó: vẫn các trọng số ấy, chuyển vị.",
       "Каждый токен собирает вклад всех вентилей, которые его читали: те же веса, транспонированные."},
      {"gating.dgn", "The scale multiplied every token's normalised row: its gradient is the sum over the tokens.",
       "Hệ số tỉ lệ nhân với hàng đã chuẩn hoá của mọi token: gradient của nó là tổng trên các token.",
       "Масштаб умножал нормированную строку каждого токена: его градиент — сумма по токенам."},
      {"gating.dZ",
       "On the left: times the gate. On the right: back through the norm, which takes out the gradient's mean and its "
       "share along the normalised row.",
       "Bên trái: nhân với cổng. Bên phải: đi ngược qua phép chuẩn hoá, phép này khử trung bình của gradient và thành "
       "phần dọc theo hàng đã chuẩn hoá.",
       "Слева: умножение на вентиль. Справа: назад через нормировку, которая убирает среднее градиента и его "
       "составляющую вдоль нормированной строки."},
      {"gating.dH", "Through GELU, whose slope is Φ(h) + h φ(h).", "Đi qua GELU, có đạo hàm Φ(h) + h φ(h).",
       "Через GELU, производная которой Φ(h) + h φ(h)."},
  };
  return table;
}

}  // namespace attune::explain
